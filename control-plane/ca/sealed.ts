import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify<string | Uint8Array, Uint8Array, number, object, Buffer>(scrypt);

/** Encrypts what is kept in the store under a key that is not. */
export interface Sealer {
  /** AES-256-GCM; `label` says what it is and must be the same to open it, so that values cannot be exchanged. */
  seal(plain: Uint8Array, label: string): Uint8Array;
  /** Throws an Error when the key is another one or a single bit has changed. */
  open(sealed: Uint8Array, label: string): Uint8Array;
}

const ivLength = 12;
const tagLength = 16;

/** Slow on purpose (scrypt, 50 to 150 ms of a thread of its own), because the secret may be a text that people chose. */
async function deriveSealer(secret: Uint8Array, salt: Uint8Array): Promise<Sealer> {
  const key = await derive(secret, salt, 32, { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 });
  return {
    seal(plain, label) {
      const iv = randomBytes(ivLength);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(label));
      const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
    },
    open(sealed, label) {
      const tag = sealed.subarray(ivLength, ivLength + tagLength);
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, ivLength), { authTagLength: tagLength })
        .setAAD(Buffer.from(label))
        .setAuthTag(tag);
      return Buffer.concat([decipher.update(sealed.subarray(ivLength + tagLength)), decipher.final()]);
    },
  };
}

/** The sealers of one secret. The last one is remembered: it is derived once, and can be begun before it is needed. */
export class Sealers {
  /** For a CA that is still to be made. */
  readonly newSalt: Uint8Array = randomBytes(16);
  readonly #secret: Uint8Array;
  #last: { readonly salt: string; readonly sealer: Promise<Sealer> } | undefined;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  of(salt: Uint8Array): Promise<Sealer> {
    const key = Buffer.from(salt).toString('base64');
    if (this.#last?.salt === key) return this.#last.sealer;
    const sealer = deriveSealer(this.#secret, salt);
    this.#last = { salt: key, sealer };
    // Whoever asks for it hears of a failure, and the next one tries again; until then nobody may be there to hear it.
    sealer.catch(() => {
      if (this.#last?.sealer === sealer) this.#last = undefined;
    });
    return sealer;
  }
}

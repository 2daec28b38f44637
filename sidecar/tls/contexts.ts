import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';

/**
 * What every TLS context of a sidecar is made with; also for `tls.Server.setSecureContext` after a renewal.
 *
 * TLS 1.3 only. AES-128-GCM first: as strong as P-256 and the cheapest with AES instructions. No tickets: a resumed
 * session would skip the check of the certificate, and outlive a change of roots (CVE-2025-23419).
 */
export const contextOptions = (certPem: string, keyPem: string, rootsPem: string): SecureContextOptions => ({
  cert: certPem,
  key: keyPem,
  ca: rootsPem,
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_NO_TICKET,
});

/** One context for all connections of an identity. Throws an Error of OpenSSL when key and certificate do not fit. */
export const secureContext = (certPem: string, keyPem: string, rootsPem: string): SecureContext =>
  createSecureContext(contextOptions(certPem, keyPem, rootsPem));

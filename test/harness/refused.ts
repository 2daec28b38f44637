import type { Address } from '../../lib/address.ts';
import { freePort } from './free-port.ts';

/** An address that refuses connections. */
export const refusedAddress = async (): Promise<Address> => ({ host: '127.0.0.1', port: await freePort() });

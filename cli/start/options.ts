import { address, choice, duration, flag, number, text, type Values } from '../../lib/options.ts';

/** Flags of `npm start`. */
export const startOptions = {
  for: duration('end by itself after this time, with exit code 0 only if every request succeeded'),
  rate: number('requests in each second', 1, 500, '20'),
  state: text('folder to keep everything in, instead of a temporary one', 'FOLDER'),
  store: choice('where the control plane keeps the mesh', ['embedded', 'consul']),
  'consul-address': text('address of Consul, with --store consul', 'ADDRESS'),
  api: address('where people and programs ask; 127.0.0.1:7080 or a free port when left out'),
  grpc: address('where sidecars connect; 127.0.0.1:7443 or a free port when left out'),
  verbose: flag('show what all processes print'),
  help: flag('this text'),
};

export type StartOptions = Values<typeof startOptions>;

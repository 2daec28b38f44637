import { choice, duration, flag, number, text, type Values } from '../../lib/options.ts';

/** Flags of `npm start`. */
export const startOptions = {
  for: duration('end by itself after this time, with exit code 0 only if every request succeeded'),
  rate: number('requests in each second', 1, 500, '20'),
  state: text('folder to keep everything in, instead of a temporary one', 'FOLDER'),
  store: choice('where the control plane keeps the mesh', ['embedded', 'consul']),
  'consul-address': text('address of Consul, with --store consul', 'ADDRESS'),
  verbose: flag('show what all processes print'),
  help: flag('this text'),
};

export type StartOptions = Values<typeof startOptions>;

// Jest transformer: Node's own type stripping. Types become blanks, so lines and columns stay put and no source map is needed.
import { createHash } from 'node:crypto';
import { stripTypeScriptTypes } from 'node:module';

export default {
  canInstrument: false,
  process: (source) => ({ code: stripTypeScriptTypes(source) }),
  getCacheKey: (source, path, { configString, instrument }) =>
    createHash('sha256').update([source, path, configString, instrument, process.version].join('\0')).digest('hex'),
};

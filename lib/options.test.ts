import { address, choice, duration, flag, number, optionsHelp, readOptions, text } from './options.ts';

const table = {
  inbound: address('where others come in', '127.0.0.1:15006'),
  'drain-time': duration('how long'),
  mtls: choice('how strict', ['off', 'strict'], 'strict'),
  sample: number('share', 0, 1),
  verbose: flag('say more'),
};

test('a flag wins over the environment, and that over the settings file and the fallback', () => {
  const read = (argv: string[], env = {}, file = {}) => readOptions(table, { argv, env, file }).values.inbound;
  const env = { WEFT_INBOUND: '127.0.0.1:2' };
  const file = { inbound: '127.0.0.1:3' };
  expect(read(['--inbound', ':1'], env, file)).toEqual({ host: '127.0.0.1', port: 1 });
  expect(read([], env, file)).toEqual({ host: '127.0.0.1', port: 2 });
  expect(read([], {}, file)).toEqual({ host: '127.0.0.1', port: 3 });
  expect(read([])).toEqual({ host: '127.0.0.1', port: 15006 });
});

test('every problem is told at once, with what would be right', () => {
  const { issues } = readOptions(table, {
    argv: ['--inbuond=x', '--mtls', 'maybe', 'stray', '--sample', '2', '--drain-time'],
    env: { WEFT_VERBOSE: 'perhaps' },
  });
  expect(issues.map((issue) => `${issue.path} ${issue.message}`)).toEqual([
    '--inbuond is not known, did you mean inbound?',
    'stray is not a flag; flags begin with --',
    '--drain-time needs a value: a duration such as 250ms, 10s or 1h',
    "--mtls 'maybe' is not one of off, strict",
    "--sample '2' is not a number from 0 to 1",
    "WEFT_VERBOSE 'perhaps' is not true or false",
  ]);
});

test('help names every flag with its fallback', () => {
  expect(optionsHelp(table)).toContain('--mtls off|strict');
  expect(optionsHelp(table)).toContain('(default 127.0.0.1:15006)');
});

test('a flag that repeats gives its parser all values, and any other its last', () => {
  const list = { ...text('a list', 'NAME'), repeats: true, parse: (given: string) => given.split(',') } as const;
  const argv = ['--many', 'a,b', '--many=c', '--one', 'a', '--one', 'b'];
  const { values } = readOptions({ many: list, one: text('one', 'NAME') }, { argv, env: {} });
  expect(values).toEqual({ many: ['a', 'b', 'c'], one: 'b' });
});

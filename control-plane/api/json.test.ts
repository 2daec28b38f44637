import fc from 'fast-check';
import { parseJson } from './json.ts';

const parse = (text: string): unknown => parseJson(Buffer.from(text));

test('whatever JSON.stringify writes is read back', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t', '\n\r '), (value, space) => {
      const text = JSON.stringify(value, null, space);
      if (text.includes('__proto__')) return;
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
  );
});

test('a broken text is refused, never taken half, and never crashes', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 60, unit: fc.constantFrom(...'{}[]",:\\ue0123456789-+.tfnalsr \n') }),
      (text) => {
        let wanted: unknown;
        try {
          wanted = JSON.parse(text);
        } catch {
          expect(() => parse(text)).toThrow(expect.objectContaining({ name: 'JsonError' }));
          return;
        }
        try {
          expect(parse(text)).toEqual(wanted);
        } catch (error) {
          if ((error as Error).name !== 'JsonError') throw error;
        }
      },
    ),
    { numRuns: 500 },
  );
});

test.each([
  ['{"a":{"x":1},"b":{"x":1}}', 'the same key in two objects'],
  ['[{"x":1},{"x":1}]', 'the same key in two entries'],
  ['{"a":"b:c","c":"\\":"}', 'colons and quotes inside of texts'],
  ['{"a":["a","a"],"b":"a"}', 'values that look like keys'],
  ['{"proto":1,"__proto":2}', 'names that are nearly the prototype'],
  ['-1.5e3', 'a number alone'],
  [`${'['.repeat(80)}${']'.repeat(80)}`, 'the deepest nesting that is taken'],
])('%s is taken: %s', (text) => {
  expect(parse(text)).toEqual(JSON.parse(text));
});

test.each([
  ['{"a":1,"a":1}', /key "a" stands twice in one object, at offset 7/],
  ['{"":1,"":2}', /stands twice/],
  ['{"a":[{"b":1}],"c":{"d":1,"d":2}}', /"d" stands twice/],
  ['{"a" :1,"a"\n:2}', /stands twice/],
  ['[1e400]', /number at offset 1 is out of range/],
  ['-1e400', /out of range/],
  ['[', /not JSON/],
  ['"a', /not JSON/],
  ['{"\\x":1}', /not JSON/],
  ['-', /not JSON/],
  [`${'['.repeat(81)}${']'.repeat(81)}`, /more than 80 levels deep/],
  ['\ud800', /^/],
])('%s is refused', (text, wanted) => {
  expect(() => parse(text)).toThrow(wanted);
});

test('eight megabytes of anything are read in a moment', () => {
  const size = 8 * 1024 * 1024;
  const started = performance.now();
  expect(parse(`"${'\\u0041'.repeat(size / 6)}"`)).toHaveLength(Math.floor(size / 6));
  expect(() => parse('['.repeat(size))).toThrow();
  expect(() => parse(`{"a":1${' '.repeat(size)}, "a":1}`)).toThrow(/twice/);
  expect(performance.now() - started).toBeLessThan(10_000);
});

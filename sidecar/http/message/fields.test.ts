import fc from 'fast-check';
import { scanRequest } from '../h1/scan.ts';
import { Fields } from './fields.ts';
import { Head } from './head.ts';

function fieldsOf(lines: readonly string[]): Fields {
  const head = new Head();
  const buf = Buffer.from(`GET / HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1');
  expect(scanRequest(head, buf, 0, buf.length)).toBe(buf.length);
  return new Fields(head);
}

/** What would be sent on. */
const sent = (fields: Fields): string[] => {
  const { head } = fields;
  const kept = Array.from({ length: head.count }, (_, field) => field)
    .filter((field) => fields.edits === null || !fields.dropped(field))
    .map((field) => `${head.text(head.nameStart(field), head.nameEnd(field)).toLowerCase()}: ${head.value(field)}`);
  return [...kept, ...fields.added().map(({ name, value }) => `${name}: ${value}`)];
};

test('names are found in any case, and all values of a name in order', () => {
  const fields = fieldsOf(['A: 1', 'b: 2', 'a: 3', 'C:']);
  expect([fields.get('a'), fields.get('b'), fields.get('c'), fields.get('d')]).toEqual(['1', '2', '', undefined]);
  expect([fields.all('a'), fields.all('d')]).toEqual([['1', '3'], []]);
});

test('names of other objects are names like any other', () => {
  const fields = fieldsOf(['__proto__: 1', 'constructor: 2']);
  expect([fields.get('__proto__'), fields.get('constructor'), fields.get('toString')]).toEqual(['1', '2', undefined]);
});

test('a letter that only looks like an ASCII one in lower case is another name', () => {
  expect(fieldsOf(['k: 1']).get('\u212a'.toLowerCase())).toBe('1');
  expect(() => fieldsOf(['k: 1']).set('\u212a', '1')).toThrow(RangeError);
});

test('set replaces, append adds, remove takes away, in the order in which they are done', () => {
  const fields = fieldsOf(['a: 1', 'A: 2', 'b: 3']);
  fields.set('a', '4');
  expect([fields.all('a'), sent(fields)]).toEqual([['4'], ['b: 3', 'a: 4']]);
  fields.append('a', '5');
  fields.append('b', '6');
  expect([fields.all('a'), fields.all('b')]).toEqual([
    ['4', '5'],
    ['3', '6'],
  ]);
  expect(sent(fields)).toEqual(['b: 3', 'a: 4', 'a: 5', 'b: 6']);
  fields.remove('a');
  expect([fields.get('a'), sent(fields)]).toEqual([undefined, ['b: 3', 'b: 6']]);
  fields.append('a', '7');
  expect([fields.get('a'), sent(fields)]).toEqual(['7', ['b: 3', 'b: 6', 'a: 7']]);
});

test.each(['a\r\nb: c', 'a\nb', 'a\rb', 'a\0', '\x7f', '\u0100'])('a value %j cannot be set', (value) => {
  const fields = fieldsOf([]);
  expect(() => fields.set('x', value)).toThrow(RangeError);
  expect(() => fields.append('x', value)).toThrow(RangeError);
});

test.each(['', 'a b', 'a:', 'a\r\nb', 'é'])('a name %j cannot be set', (name) => {
  expect(() => fieldsOf([]).set(name, 'x')).toThrow(RangeError);
});

test('what filters see is what is sent, whatever they do', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const edit = fc.tuple(fc.constantFrom('set', 'append', 'remove'), name, fc.constantFrom('1', '2', ''));
  fc.assert(
    fc.property(fc.array(name, { maxLength: 5 }), fc.array(edit, { maxLength: 8 }), (names, edits) => {
      const fields = fieldsOf(names.map((one, i) => `${i % 2 === 0 ? one : one.toUpperCase()}: v${i}`));
      for (const [what, one, value] of edits) {
        if (what === 'remove') fields.remove(one);
        else if (what === 'set') fields.set(one, value);
        else fields.append(one, value);
      }
      for (const one of ['a', 'b', 'c'])
        expect(sent(fields).filter((line) => line.startsWith(`${one}:`))).toEqual(
          fields.all(one).map((value) => `${one}: ${value}`),
        );
    }),
  );
});

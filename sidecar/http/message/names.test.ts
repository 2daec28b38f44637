import { scanRequest } from '../h1/scan.ts';
import { Head } from './head.ts';
import { LOOKALIKE, nameId, OURS } from './names.ts';

/** The number that a head gives to a field of this name. */
function idOf(name: string): number {
  const head = new Head();
  const buf = Buffer.from(`GET / HTTP/1.1\r\n${name}: x\r\n\r\n`);
  expect(scanRequest(head, buf, 0, buf.length)).toBe(buf.length);
  return head.ids[0]!;
}

const names = (Object.keys(nameId) as (keyof typeof nameId)[]).filter((name) => !name.startsWith(':'));

test.each(names)('%s is known in every case, and nothing near it is', (name) => {
  const id = nameId[name];
  expect([idOf(name), idOf(name.toUpperCase()), idOf(name[0]!.toUpperCase() + name.slice(1))]).toEqual([id, id, id]);
  for (const near of [`${name}x`, `x${name}`, name.slice(1), name.slice(0, -1), name.replace(/[a-z]/, '0')])
    if (near !== '' && !(near in nameId)) expect([near, idOf(near)]).toEqual([near, 0]);
});

test.each(names.filter((name) => name.includes('-')))('%s with _ for - is a look-alike, whichever of them', (name) => {
  const dashes = [...name].flatMap((character, at) => (character === '-' ? [at] : []));
  const spellings = [name.replaceAll('-', '_'), ...dashes.map((at) => `${name.slice(0, at)}_${name.slice(at + 1)}`)];
  for (const spelling of spellings)
    expect([idOf(spelling), idOf(spelling.toUpperCase())]).toEqual([LOOKALIKE, LOOKALIKE]);
});

test.each(['x-weft-a', 'X-Weft-Service', 'x_weft_a', 'x-weft_a', 'X_WEFT-', 'x-envoy-internal', 'x_envoy_a'])(
  '%s is a name of the mesh',
  (name) => {
    expect(idOf(name)).toBe(OURS);
  },
);

test.each(['x-weft', 'x-wefta', 'xx-weft-a', 'x-envo', 'a', 'x', 'x-', 'weft', 'x.weft-a', 'accept', 'cookies'])(
  '%s is nothing in particular',
  (name) => {
    expect(idOf(name)).toBe(0);
  },
);

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { kinds } from './index.ts';
import { loadFilters, loadSchemas } from './load.ts';

test('both halves of a kind agree with its line in the list', async () => {
  const [schemas, filters] = await Promise.all([loadSchemas(), loadFilters()]);
  expect([...schemas.keys()]).toEqual(kinds.map(({ kind }) => kind));
  expect([...filters.keys()]).toEqual(kinds.map(({ kind }) => kind));
  for (const { kind, role } of kinds) {
    const [schema, filter] = [schemas.get(kind)!, filters.get(kind)!];
    expect([kind, filter.builtin]).toEqual([kind, schema.builtin]);
    expect([kind, filter.compilePolicy !== undefined]).toEqual([kind, role === 'policy']);
    expect([kind, filter.compileRoute !== undefined]).toEqual([kind, role === 'route']);
    expect([kind, filter.compileService !== undefined]).toEqual([kind, role === 'service']);
    expect([kind, filter.compileUpstream !== undefined]).toEqual([kind, role === 'upstream']);
    expect([kind, schema.builtin !== undefined]).toEqual([kind, role === 'policy']);
  }
});

test('the half that the data path runs loads no package, and expressions only when a route has one', () => {
  const script = `
    import { registerHooks } from 'node:module';
    const packages = new Set();
    registerHooks({ resolve(name, context, next) {
      if (!name.startsWith('.') && !name.startsWith('node:') && !name.startsWith('file:')) packages.add(name);
      return next(name, context);
    } });
    const { loadFilters } = await import('./load.ts');
    const route = (await loadFilters()).get('HTTPRoute');
    const spec = (type) => ({ rules: [{ matches: [{ path: { type, value: 'a' }, headers: [], queryParams: [] }] }] });
    await route.prepare([spec('Exact')]);
    const before = [...packages];
    await route.prepare([spec('Exact'), spec('RegularExpression')]);
    console.log(JSON.stringify([before, [...packages]]));
  `;
  const out = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: join(import.meta.dirname),
  });
  expect(JSON.parse(out.toString())).toEqual([[], ['re2js']]);
});

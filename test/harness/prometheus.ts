interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

/**
 * Reads the text format 0.0.4 of Prometheus strictly, as its documentation says and without a look at what writes it here.
 * Throws at the first line that is not well formed, at samples outside of their family, and at series that come twice.
 */
export function parsePrometheus(text: string): ReadonlyMap<string, Family> {
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  let help: [string, string] | undefined;
  let current: [string, Family] | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const helpLine = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line);
    const typeLine = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
    if (helpLine) help = [helpLine[1]!, helpLine[2]!];
    else if (typeLine) {
      const name = typeLine[1]!;
      if (help?.[0] !== name || families.has(name)) throw new Error(`HELP and TYPE of ${name} do not stand together`);
      current = [name, { type: typeLine[2]!, help: help[1], samples: [] }];
      families.set(...current);
    } else {
      const sample = parseSample(line);
      const suffix = current?.[1].type === 'histogram' ? /^_(?:bucket|sum|count)$/ : /^$/;
      if (
        current === undefined ||
        !sample.name.startsWith(current[0]) ||
        !suffix.test(sample.name.slice(current[0].length))
      )
        throw new Error(`not in its family: ${line}`);
      const series = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      if (seen.has(series)) throw new Error(`twice: ${line}`);
      seen.add(series);
      current[1].samples.push(sample);
    }
  }
  return families;
}

function parseSample(line: string): Sample {
  const found = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (found === null) throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  let rest = found[2] ?? '';
  while (rest !== '') {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,(?=.)|$)/.exec(rest);
    if (label === null || label[1]! in labels) throw new Error(`not a label: ${rest}`);
    labels[label[1]!] = label[2]!.replace(/\\(.)/g, (_all, char: string) => (char === 'n' ? '\n' : char));
    rest = rest.slice(label[0].length);
  }
  const value = found[3] === '+Inf' ? Infinity : found[3] === '-Inf' ? -Infinity : Number(found[3]);
  if (Number.isNaN(value) && found[3] !== 'NaN') throw new Error(`not a number: ${line}`);
  return { name: found[1]!, labels, value };
}

import type { Command } from 'commander';
import { proxiesReplySchema, servicesReplySchema, statusSchema } from '../../proto/api/api.ts';
import { type Context, contextOf } from '../context.ts';
import { broken, type Check } from '../doctor/check.ts';
import { machineChecks, portChecks } from '../doctor/machine.ts';
import { controlPlaneChecks, serviceChecks, sidecarChecks } from '../doctor/mesh.ts';
import { type ExitCode, exit } from '../failure.ts';
import { type Paint, plain } from '../terminal.ts';

const marks = { ok: ['green', '✓'], warning: ['yellow', '!'], broken: ['red', '✗'] } as const;

export function define(command: Command): void {
  command
    .addHelpText(
      'after',
      '\nThe exit code is 1 when something is broken (✗), 3 when there is no control plane to ask.\n',
    )
    .action(async () => {
      const context = contextOf(command);
      const { checks, exitCode } = await examine(context);
      await context.print({ ok: exitCode === exit.done, checks }, () => render(checks, context.terminal.paint));
      process.exitCode = exitCode;
    });
}

async function examine({
  client,
  ask,
}: Context): Promise<{ readonly checks: readonly Check[]; readonly exitCode: ExitCode }> {
  const machine = machineChecks();
  try {
    const asked = Date.now();
    const { reply: status, date } = await ask(client.getDated('/v1/status', statusSchema));
    // Halfway between question and answer is when it looked at its clock; the header has whole seconds.
    const aheadMs = date === undefined ? 0 : date + 500 - (asked + Date.now()) / 2;
    const { proxies } = await ask(client.get('/v1/proxies', proxiesReplySchema));
    const { services } = await ask(client.get('/v1/services', servicesReplySchema));
    const checks = [
      ...machine,
      ...controlPlaneChecks(status, client.server, aheadMs),
      ...sidecarChecks(proxies),
      ...serviceChecks(services),
    ];
    return { checks, exitCode: checks.some(({ state }) => state === 'broken') ? exit.no : exit.done };
  } catch (error) {
    const { name, message, exitCode } = error as { name?: string; message: string; exitCode: ExitCode };
    if (name !== 'Failure') throw error;
    const [what = '', advice = 'look at its log'] = message.split('\n');
    return { checks: [...machine, ...(await portChecks()), broken('control plane', what, advice)], exitCode };
  }
}

/** Each group under its name, each check with its mark, and what to do under those that are not ok. */
function render(checks: readonly Check[], paint: Paint): string {
  const lines: string[] = [];
  for (const [group, members = []] of Object.entries(Object.groupBy(checks, (check) => check.group))) {
    lines.push(paint('bold', group));
    for (const { state, text, advice } of members) {
      const [style, mark] = marks[state];
      lines.push(`  ${paint(style, mark)} ${plain(text)}`);
      if (advice !== undefined) lines.push(`      → ${plain(advice)}`);
    }
  }
  const bad = checks.filter(({ state }) => state !== 'ok').length;
  lines.push('', bad === 0 ? 'everything is in order' : `${bad} of ${checks.length} checks need a look`);
  return lines.join('\n');
}

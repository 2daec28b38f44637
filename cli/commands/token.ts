import type { Command } from 'commander';
import { parseDuration } from '../../lib/duration.ts';
import { tokenReplySchema } from '../../proto/api/api.ts';
import { contextOf } from '../context.ts';
import { exit, Failure } from '../failure.ts';

export function define(command: Command): void {
  const create = command
    .command('create')
    .description('Make a token with which one sidecar of a service gets its first certificate.')
    .argument('<service>', 'the service that the sidecar stands beside')
    .option('-n, --namespace <name>', 'its namespace', 'default')
    .option('--ttl <duration>', 'how long the token may wait to be used, at most 10m', '10m')
    .addHelpText('after', '\nThe token goes to standard output, so: weft token create web > web.token\n')
    .action(async (service: string, options: { namespace: string; ttl: string }) => {
      const context = contextOf(create);
      const ms = parseDuration(options.ttl);
      if (ms === undefined || ms < 1000 || ms > 600_000)
        throw new Failure(exit.usage, `--ttl: '${options.ttl}' is not a duration from 1s to 10m`);
      const body = { service, namespace: options.namespace, ttlSeconds: Math.floor(ms / 1000) };
      const reply = await context.ask(context.client.post('/v1/tokens', tokenReplySchema, body));
      if (context.output === 'table' || context.output === 'wide')
        context.terminal.note(`for ${reply.identity}, good once, until ${reply.expires}`);
      await context.print(reply, () => reply.token);
    });
}

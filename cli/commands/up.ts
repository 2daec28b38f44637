import { once } from 'node:events';
import { type Command, Option } from 'commander';
import { type Address, parseAddress } from '../../lib/address.ts';
import { contextOf } from '../context.ts';
import { exit, Failure } from '../failure.ts';
import { renderTable } from '../format/table.ts';
import { plain } from '../terminal.ts';
import { serverHint, sidecarColumns } from '../up/report.ts';
import { untilToldToEnd } from '../up/signals.ts';
import { startUp, type Up } from '../up/up.ts';

const help = `
Starts a control plane, applies the resources, and runs each instance of each Workload with a sidecar. What dies is
started again; Ctrl-C ends everything. A process listens on 127.0.0.1 at the port in PORT, and reaches other services by
name through its sidecar, whose address is in WEFT_OUTBOUND and HTTP_PROXY.

Try it: weft up -f examples/shop/mesh.yaml
`;

interface Options {
  readonly file: string[];
  readonly state?: string;
  readonly store?: string;
  readonly consulAddress?: string;
  readonly api?: string;
  readonly grpc?: string;
  readonly verbose?: true;
}

export function define(command: Command): void {
  command
    .option('-f, --file <file...>', 'files with the resources and the Workloads to run', ['mesh.yaml'])
    .option('--state <folder>', 'keep everything there (default: a temporary folder, removed at the end)')
    .addOption(new Option('--store <name>', 'where the control plane keeps the mesh').choices(['embedded', 'consul']))
    .option('--consul-address <address>', 'address of Consul, with --store consul')
    .option('--api <address>', 'where people and programs ask (default: 127.0.0.1:7080, or a free port)')
    .option('--grpc <address>', 'where sidecars connect (default: 127.0.0.1:7443, or a free port)')
    .option('-v, --verbose', 'show what all processes print')
    .addHelpText('after', help)
    .action(async (options: Options) => {
      const { terminal } = contextOf(command);
      const told = untilToldToEnd();
      const up = await startUp({
        files: options.file,
        state: options.state,
        controlPlane: {
          store: options.store,
          consulAddress: options.consulAddress,
          api: addressOf('--api', options.api),
          grpc: addressOf('--grpc', options.grpc),
        },
        present: [],
        env: process.env,
        events: {
          onDeath: (name, how, restartMs) => terminal.note(`${name} ${how}; starting it again in ${restartMs}ms`),
          ...(options.verbose ? { onOutput: (name, line) => terminal.note(plain(`${name} | ${line}`)) } : {}),
        },
        onStep: (text) => terminal.note(`${text} …`),
        signal: told,
      });
      terminal.out(
        `${renderTable(sidecarColumns, up.sidecars, { width: terminal.width, paint: terminal.paint })}\n${next(up)}`,
      );
      if (!told.aborted) await once(told, 'abort');
      terminal.note('ending …');
      await up.close();
    });
}

function addressOf(flag: string, given: string | undefined): Address | undefined {
  if (given === undefined) return undefined;
  const address = parseAddress(given);
  if (address === undefined) throw new Failure(exit.usage, `${flag}: '${given}' is not host:port`);
  return address;
}

function next({ client, sidecars, logs }: Up): string {
  const [some] = sidecars;
  return `The mesh runs; Ctrl-C ends it. Output of the processes: ${logs}

${serverHint(client.server)}  weft services                    who is there
  weft edges --watch               who talks to whom
  curl -H 'host: ${some?.service}' http://${some?.outbound}/     a request as ${some?.name} would send it
`;
}

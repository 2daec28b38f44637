// The interoperability cases that every implementation of gRPC runs against every other, through two sidecars.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { eventually } from '../harness/eventually.ts';
import { freePort } from '../harness/free-port.ts';
import { makeIdentities } from '../harness/identities.ts';
import { startTestSidecar, type TestSidecar } from '../harness/sidecar.ts';
import { findTool } from '../harness/tools.ts';

const [client, program] = [findTool('grpc-interop-client'), findTool('grpc-interop-server')];

const SERVICE = 'interop';
/** Where the client finds it: it names no service, only where it connects to. */
let local: { readonly host: string; readonly port: number };

const cases = [
  ...['empty_unary', 'large_unary', 'client_streaming', 'server_streaming', 'ping_pong', 'empty_stream'],
  ...['timeout_on_sleeping_server', 'cancel_after_begin', 'cancel_after_first_response', 'status_code_and_message'],
  ...['special_status_message', 'custom_metadata', 'unimplemented_method', 'unimplemented_service'],
  ...['rpc_soak', 'channel_soak'],
];
/** Not those that need credentials of a cloud, and not those that this server does not pass without a mesh either. */
const others: Readonly<Record<string, string>> = {
  compute_engine_creds: 'credentials',
  service_account_creds: 'credentials',
  jwt_token_creds: 'credentials',
  per_rpc_creds: 'credentials',
  oauth2_auth_token: 'credentials',
  google_default_credentials: 'credentials',
  compute_engine_channel_credentials: 'credentials',
  pick_first_unary: 'the server does not say its ID',
  orca_per_rpc: 'the server does not report its load',
  orca_oob: 'the server does not report its load',
};

let server: ChildProcess;
let callee: TestSidecar;
let caller: TestSidecar;
beforeAll(async () => {
  if (client === undefined || program === undefined) return;
  const port = await freePort();
  server = spawn(program, ['--port', String(port)], { stdio: 'ignore' });
  await eventually('the server listens', () => listens(port));
  const mesh = await makeIdentities();
  const protocol = `
apiVersion: weft.dev/v1
kind: Service
metadata: { name: ${SERVICE} }
spec: { ports: [{ port: 80, protocol: grpc }] }
`;
  callee = await startTestSidecar({
    name: SERVICE,
    app: { host: '127.0.0.1', port },
    mtls: 'strict',
    credentials: await mesh.live(SERVICE),
    yaml: protocol,
  });
  caller = await startTestSidecar({
    services: { [SERVICE]: [{ at: callee.inbound, identity: mesh.id(SERVICE) }] },
    credentials: await mesh.live('shop'),
    yaml: protocol,
    upstreams: { [SERVICE]: { host: '127.0.0.1', port: 0 } },
  });
  local = (await caller.upstream(SERVICE)) as typeof local;
});
afterAll(async () => {
  await caller?.[Symbol.asyncDispose]();
  await callee?.[Symbol.asyncDispose]();
  if (server?.kill()) await once(server, 'close');
});

function listens(port: number): Promise<true | undefined> {
  const socket = connect(port, '127.0.0.1');
  const open = Promise.race([
    new Promise<true>((resolve) => socket.once('connect', () => resolve(true))),
    new Promise<undefined>((resolve) => socket.once('error', () => resolve(undefined))),
  ]);
  return open.finally(() => socket.destroy());
}

/** What the client prints; '' and code 0 when the case passes. */
function run(flags: readonly string[]): Promise<{ readonly code: unknown; readonly printed: string }> {
  return new Promise((resolve) => {
    execFile(client!, flags, { timeout: 15_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), printed: stdout + stderr }),
    );
  });
}

const offered = client === undefined || program === undefined ? test.skip : test;

offered.each(cases)('%s', async (name) => {
  // By its address: for names the client asks DNS servers about other things as well, and waits for them.
  const where = ['--server_host', local.host, '--server_port', String(local.port)];
  // Small and several at once, so that the time of one is that of the mesh.
  const soak = ['--soak_iterations', '200', '--soak_num_threads', '4', '--soak_request_size', '1000'];
  const { code, printed } = await run([...where, '--test_case', name, ...(name.endsWith('_soak') ? soak : [])]);
  expect({ code, failed: printed.split('\n').filter((line) => /FATAL|failed/i.test(line)) }).toEqual({
    code: 0,
    failed: [],
  });
  expect(callee.records.length).toBeGreaterThan(0);
});

offered('every case that the client has is either run or known not to pass here without a mesh', async () => {
  const { printed } = await run(['--help']);
  const [, list = ''] = printed.split('Valid options are:');
  const all = [...list.matchAll(/^\s+(\w+) ?:/gm)].map(([, name]) => name);
  const ours = [...cases, ...Object.keys(others)].filter((name) => !name.endsWith('_soak'));
  expect(all.sort()).toEqual(ours.sort());
});

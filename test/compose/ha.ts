import { compose, cutOff, eventually, kill, lasting, settled, weft } from './docker.ts';
import { commandsOf, runLine } from './readme.ts';
import type { Story } from './story.ts';
import { startTraffic } from './traffic.ts';

const controlPlanes = ['control-plane', 'control-plane-2', 'control-plane-3'];
const [up, peers, services, stopOne] = commandsOf('Three of everything') as [string, string, string, string];

const policy = (seconds: number): string => `apiVersion: weft.dev/v1
kind: TimeoutPolicy
metadata: { name: ha }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  request: ${seconds}s
`;

/** Applies a change at a control plane; its exit code, what it said, and the message by which to find it. */
async function apply(service: string, seconds: number): Promise<{ code: number; said: string; message: string }> {
  const message = `request ${seconds}s at ${service}`;
  const { code, stdout, stderr } = await weft('ha', service, ['apply', '-m', message, '-'], policy(seconds));
  return { code, said: `${stdout}${stderr}`.trim(), message };
}

async function mustApply(service: string, seconds: number): Promise<string> {
  const { code, said, message } = await apply(service, seconds);
  if (code !== 0) throw new Error(`${message}: ended with ${code}: ${said}`);
  return message;
}

async function json<T>(service: string, ...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await weft('ha', service, [...args, '-o', 'json']);
  if (code !== 0) throw new Error(`weft ${args.join(' ')} at ${service} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** How many sidecars are connected to each of these. */
async function connected(of: readonly string[]): Promise<readonly number[]> {
  const lists = of.map((one) => json<readonly { connected: boolean }[]>(one, 'proxies'));
  return (await Promise.all(lists)).map((list) => list.filter((proxy) => proxy.connected).length);
}

async function allConnected(of: readonly string[]): Promise<readonly number[]> {
  const all = (await lasting()).filter(({ service }) => service.endsWith('-sidecar')).length;
  return eventually(`${all} sidecars are connected to ${of.join(', ')}`, 60_000, async () => {
    const counts = await connected(of);
    if (counts.reduce((sum, count) => sum + count, 0) !== all) throw new Error(counts.join(' + '));
    return counts;
  });
}

async function leader(): Promise<string> {
  const line = (await runLine(peers)).split('\n').find((one) => / leader /.test(one));
  if (line === undefined) throw new Error('Consul has no leader');
  return line.split(/\s+/)[0]!;
}

const grow: Story = {
  name: 'three control planes, three Consul servers and more instances are added while the shop is visited',
  async tell() {
    await runLine(up);
    await settled();
    const listed = await runLine(services);
    if (!/web +80\/http +2$/m.test(listed)) throw new Error(`web has not two endpoints: ${listed}`);
    await eventually('three servers vote', 60_000, async () => {
      const voters = (await runLine(peers)).split('\n').filter((line) => / true /.test(line)).length;
      if (voters !== 3) throw new Error(`${voters} voters`);
    });
    return '';
  },
};

const rolling: Story = {
  name: 'every app, every sidecar and every control plane is restarted, one after the other: no request fails',
  async tell() {
    const all = (await lasting()).map(({ service }) => service);
    const instances = all.filter((service) => service.endsWith('-net') && service !== 'visitor-net');
    const names = instances.map((service) => service.slice(0, -'-net'.length));
    const order = [...names, ...names.map((name) => `${name}-sidecar`), ...controlPlanes];
    const traffic = startTraffic();
    for (const service of order) {
      const before = (await lasting()).filter((one) => one.service === service);
      await compose('ha', 'restart', service);
      await settled(before);
      const [now] = (await lasting()).filter((one) => one.service === service);
      if (now?.exitCode !== 0) throw new Error(`${service} ended with ${now?.exitCode}`);
    }
    await traffic.end();
    return `${order.length} restarts, ${traffic.requests} requests`;
  },
};

const controlPlaneGone: Story = {
  name: 'sidecars are spread over the control planes, and move when one goes',
  async tell() {
    const traffic = startTraffic();
    const before = await allConnected(controlPlanes);
    await runLine(stopOne);
    const after = await allConnected(['control-plane', 'control-plane-3']);
    await compose('ha', 'start', 'control-plane-2');
    await settled();
    await traffic.end();
    return `${before.join(' + ')}, then ${after.join(' + ')}`;
  },
};

const leaderLost: Story = {
  name: 'the leader of Consul is killed: no request fails, and changes are taken again',
  full: true,
  async tell() {
    const traffic = startTraffic();
    const lost = await leader();
    const other = lost === 'consul' ? 'control-plane-2' : 'control-plane';
    const victims = await kill(lost);
    const began = performance.now();
    await eventually('a change is taken', 60_000, () => mustApply(other, 7));
    const took = (performance.now() - began) / 1000;
    await settled(victims);
    await traffic.end();
    return `${took.toFixed(1)} s without changes`;
  },
};

const quorumLost: Story = {
  name: 'two of three Consul servers are stopped: no request fails, changes are refused with a reason, none that was taken is lost',
  full: true,
  async tell() {
    const traffic = startTraffic();
    const taken = [await mustApply('control-plane', 3), await mustApply('control-plane-3', 4)];
    await compose('ha', 'stop', 'consul-2', 'consul-3');
    const refused = await eventually('a change is refused', 60_000, async () => {
      const answer = await apply('control-plane', 5);
      if (answer.code === 0) throw new Error('it was taken');
      return answer;
    });
    if (refused.code !== 3 || !/consul|store/i.test(refused.said)) throw new Error(`${refused.code}: ${refused.said}`);
    await compose('ha', 'start', 'consul-2', 'consul-3');
    await settled();
    taken.push(await eventually('a change is taken again', 60_000, () => mustApply('control-plane', 6)));
    const kept = await json<readonly { message: string }[]>('control-plane-2', 'history');
    const missing = taken.filter((message) => !kept.some((revision) => revision.message === message));
    if (missing.length > 0) throw new Error(`lost: ${missing.join(', ')}`);
    await allConnected(controlPlanes);
    await traffic.end();
    return `it said: ${refused.said.split('\n').find((line) => line.startsWith('weft:'))}`;
  },
};

const partitioned: Story = {
  name: 'a control plane and its Consul server are cut off from the rest: no request fails, it serves what it knows, and only the others take changes',
  full: true,
  async tell() {
    const traffic = startTraffic();
    const known = (await json<readonly unknown[]>('control-plane-3', 'get')).length;
    const island = await cutOff('consul-3', 'control-plane-3');
    const refused = await eventually('a change is refused', 60_000, async () => {
      const answer = await apply('control-plane-3', 8);
      if (answer.code === 0) throw new Error('it was taken');
      return answer;
    });
    if (refused.code !== 3 || !/consul|store/i.test(refused.said)) throw new Error(`${refused.code}: ${refused.said}`);
    if ((await json<readonly unknown[]>('control-plane-3', 'get')).length !== known)
      throw new Error('it forgot something');
    const taken = await mustApply('control-plane', 9);
    const began = performance.now();
    await allConnected(['control-plane', 'control-plane-2']);
    const took = (performance.now() - began) / 1000;
    await island.end();
    await settled();
    await eventually('it hears what it missed', 60_000, async () => {
      const kept = await json<readonly { message: string }[]>('control-plane-3', 'history');
      if (kept.some(({ message }) => message === refused.message)) throw new Error('it took what it had refused');
      if (!kept.some(({ message }) => message === taken)) throw new Error(`it does not know '${taken}'`);
    });
    await eventually('it takes changes again', 60_000, () => mustApply('control-plane-3', 10));
    await traffic.end();
    return `its sidecars had moved ${took.toFixed(1)} s after the others' next change`;
  },
};

export const haStories: readonly Story[] = [grow, rolling, controlPlaneGone, leaderLost, quorumLost, partitioned];

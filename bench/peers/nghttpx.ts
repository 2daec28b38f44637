import { apps } from '../origins/origins.ts';
import { freePort, untilOk } from '../rig.ts';
import { backlog, type Contender, compiledWarmUp, type Shape } from './peer.ts';

/** One hop of HTTP/2 without TLS; one worker, no access log. */
export const nghttpx = ({ app, name = 'nghttpx' }: Shape): Contender => ({
  name,
  app,
  programs: ['nghttpx'],
  warmUpRequests: compiledWarmUp,
  async start({ rig, origins }) {
    const port = await freePort();
    const flags = ['--conf=/dev/null', '--single-process', '--workers=1', '--no-ocsp', '--log-level=ERROR'];
    const sides = [
      `--frontend=127.0.0.1,${port};no-tls`,
      `--backend=127.0.0.1,${(await origins.of(app)).port};;proto=h2`,
    ];
    const command = ['nghttpx', ...flags, `--backlog=${backlog}`, '--accesslog-file=/dev/null', ...sides];
    const started = rig.start('nghttpx', command, 'proxy');
    return { port, processes: [started], readyMs: await untilOk(started, port, apps[app].ask) };
  },
});

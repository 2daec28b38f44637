import type { MessagePort } from 'node:worker_threads';
import { systemClock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { Live } from '../../lib/live.ts';
import { systemRandom } from '../../lib/random.ts';
import type { ReadPage } from '../admin/over-mesh.ts';
import type { Answer } from '../admin/pages.ts';
import { type DataPlane, type LocalDataPlane, startDataPlane } from '../data-plane.ts';
import { secureContext } from '../tls/contexts.ts';
import type { Credentials, LiveCredentials } from '../tls/credentials.ts';
import type { Answers, FromWorker, PlainCredentials, Question, ToWorker, WorkerStart } from './messages.ts';
import { relayLog } from './relay-log.ts';
import { relayTelemetry } from './relay-telemetry.ts';

/** Services that are asked for at a time; more are answered as if there were nobody to ask. */
const maxAsked = 1000;

/** One data plane, in a worker thread: everything that it cannot do by itself goes through the port. */
export async function runWorker(port: MessagePort, start: WorkerStart): Promise<void> {
  const clock = systemClock;
  const post = (message: FromWorker): void => port.postMessage(message);
  const log = relayLog(post, clock);
  const telemetry = relayTelemetry({ post, service: start.options.serviceKey, wanted: start.telemetry, clock, log });
  const credentials: LiveCredentials | undefined = start.credentials && new Live(revived(start.credentials.current));
  const asked = new Map<string, PromiseWithResolvers<void>>();
  const pages = new Map<number, PromiseWithResolvers<Answer>>();
  let lastPage = 0;
  const readPage: ReadPage = (target) => {
    const waiting = Promise.withResolvers<Answer>();
    const id = ++lastPage;
    pages.set(id, waiting);
    post({ kind: 'read-page', id, target });
    return waiting.promise;
  };

  let dataPlane: LocalDataPlane;
  try {
    dataPlane = await startDataPlane({
      ...start.options,
      credentials,
      resolve(service) {
        const same = asked.get(service);
        if (same !== undefined) return same.promise;
        if (asked.size >= maxAsked) return undefined;
        const waiting = Promise.withResolvers<void>();
        asked.set(service, waiting);
        post({ kind: 'resolve', service });
        return waiting.promise;
      },
      readPage: start.pages ? readPage : undefined,
      telemetry: telemetry.telemetry,
      clock,
      random: systemRandom,
      log,
    });
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code;
    post({ kind: 'not-listening', problem: messageOf(thrown), code });
    return;
  }

  port.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'ask':
        answer(message.question, dataPlane, telemetry).then(
          async (value) => {
            if (message.question.kind === 'close') await log.close();
            post({ kind: 'answer', id: message.id, value });
          },
          (thrown: unknown) => post({ kind: 'no-answer', id: message.id, problem: messageOf(thrown) }),
        );
        break;
      case 'credentials':
        credentials?.set(revived(message.credentials));
        break;
      case 'resolved':
        asked.get(message.service)?.resolve();
        asked.delete(message.service);
        break;
      case 'page': {
        const { id, answer } = message;
        if (answer === undefined) pages.get(id)?.reject(new Error('the main thread failed at it, and says why'));
        else pages.get(id)?.resolve(answer);
        pages.delete(id);
        break;
      }
      case 'taken':
        if (message.outlet === 'log') log.taken();
        else telemetry.taken(message.outlet, message.problem);
        break;
      default:
        message satisfies never;
    }
  });
  const { inbound, outbound, names } = dataPlane;
  const tellName = (service: string, there: boolean): void => post({ kind: 'name', service, there });
  for (const service of names.list()) tellName(service, true);
  names.subscribe(tellName);
  post({ kind: 'listening', inbound: inbound.address, outbound: outbound.address });
}

async function answer(
  question: Question,
  dataPlane: DataPlane,
  telemetry: ReturnType<typeof relayTelemetry>,
): Promise<Answers[keyof Answers]> {
  switch (question.kind) {
    case 'accept':
      return dataPlane.accept(question.inputs);
    case 'dump':
      return dataPlane.dump();
    case 'drain':
      return dataPlane.drain(question.deadlineMs) as Promise<undefined>;
    case 'close':
      await dataPlane.close();
      await telemetry.close();
      return undefined;
  }
}

const revived = (plain: PlainCredentials | undefined): Credentials | undefined =>
  plain && { ...plain, context: secureContext(plain.certPem, plain.keyPem, plain.rootsPem) };

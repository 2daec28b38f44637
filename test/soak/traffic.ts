import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../../lib/errors.ts';
import type { Door, Kind } from './kinds.ts';
import { httpKinds } from './kinds-http.ts';
import { streamKinds } from './kinds-streams.ts';
import type { Rig } from './rig.ts';

export const kinds: readonly Kind[] = [...httpKinds, ...streamKinds];

/** A use of the mesh that went wrong. Times are ms of `performance.now()`. */
export interface Failure {
  readonly kind: string;
  readonly door: keyof Rig['doors'];
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

export interface Traffic {
  /** Successful uses so far, by kind. */
  readonly done: ReadonlyMap<string, number>;
  readonly failures: readonly Failure[];
  /** Waits for what is under way. */
  stop(): Promise<void>;
}

/** So that a busy machine shows what is lost, and not who was faster. */
const PAUSE_MS = 20;

/** All kinds of traffic through both doors, each client again and again. */
export function startTraffic(doors: Rig['doors']): Traffic {
  const done = new Map<string, number>();
  const failures: Failure[] = [];
  let going = true;

  const client = async (kind: Kind, name: Failure['door'], door: Door): Promise<void> => {
    const one = kind.open(door);
    while (going) {
      const from = performance.now();
      try {
        await one.run();
        done.set(kind.name, (done.get(kind.name) ?? 0) + 1);
      } catch (error) {
        const failure = { kind: kind.name, door: name, from, to: performance.now(), reason: messageOf(error) };
        failures.push(failure);
      }
      await pause(PAUSE_MS);
    }
    await one.close();
  };
  const running = Object.entries(doors).flatMap(([name, door]) =>
    kinds.flatMap((kind) =>
      Array.from({ length: kind.clients }, () => client(kind, name as Failure['door'], door as Door)),
    ),
  );
  return {
    done,
    failures,
    async stop() {
      going = false;
      await Promise.all(running);
    },
  };
}

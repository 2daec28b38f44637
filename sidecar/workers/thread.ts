/** The entry of a worker thread; the build makes a file of its own of it, beside the one that starts it. */
import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerStart } from './messages.ts';
import { runWorker } from './worker.ts';

if (parentPort === null) throw new Error('this file is run by a worker thread of a sidecar');
await runWorker(parentPort, workerData as WorkerStart);

/** Many seeds on several threads. A seed that comes to no end within its real time is given up and reported as such. */
import { Worker } from 'node:worker_threads';
import { deadline, systemClock } from '#lib/clock.ts';
import type { SeedReport } from './seed-worker.ts';

/** Two orders of magnitude above what a seed takes: no busy machine comes near it, only a seed that hangs. */
const realTimeLimitMs = 600_000;

export interface SeedsRun {
  readonly seeds: readonly number[];
  readonly threads: number;
  onReport(report: SeedReport | { readonly seed: number; readonly gaveUp: string }): void;
}

export async function runSeeds({ seeds, threads, onReport }: SeedsRun): Promise<void> {
  const waiting = [...seeds];

  async function work(): Promise<void> {
    let worker = startWorker();
    for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
      try {
        onReport(await deadline(systemClock, realTimeLimitMs, `seed ${seed}`, reportOf(worker, seed)));
      } catch (error) {
        onReport({ seed, gaveUp: error instanceof Error ? error.message : String(error) });
        await worker.terminate();
        worker = startWorker();
      }
    }
    await worker.terminate();
  }

  await Promise.all(Array.from({ length: threads }, work));
}

function startWorker(): Worker {
  return new Worker(new URL('./seed-worker.ts', import.meta.url));
}

function reportOf(worker: Worker, seed: number): Promise<SeedReport> {
  return new Promise((resolve, reject) => {
    const onMessage = (report: SeedReport): void => {
      worker.off('error', onError);
      resolve(report);
    };
    const onError = (error: unknown): void => {
      worker.off('message', onMessage);
      reject(error);
    };
    worker.once('message', onMessage);
    worker.once('error', onError);
    worker.postMessage(seed);
  });
}

/** Many seeds on several threads. A seed that comes to no end within its real time is given up and reported as such. */
import { Worker } from 'node:worker_threads';
import { deadline, systemClock } from '#lib/clock.ts';
import { seededRandom } from '#lib/random.ts';
import { planOf } from './plan.ts';
import type { SeedReport, SeedWorkerData } from './seed-worker.ts';
import { branch } from './world.ts';

/** Two orders of magnitude above what a seed takes, and one above what one of 200 machines does: no busy machine comes near it, only a seed that hangs. */
const realTimeLimitMs = 600_000;

export type Outcome = SeedReport | { readonly seed: number; readonly gaveUp: string };

export interface SeedsRun {
  readonly seeds: readonly number[];
  readonly threads: number;
  onReport(report: Outcome): void;
}

export async function runSeeds({ seeds, threads, onReport }: SeedsRun): Promise<void> {
  // One of two hundred machines takes as long as dozens of others: begun last it would leave the other threads idle.
  const waiting = seeds.map((seed) => ({ seed, machines: machinesOf(seed) })).sort((a, b) => b.machines - a.machines);

  async function work(): Promise<void> {
    const runner = createSeedRunner();
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      onReport(await runner.run(next.seed));
    }
    await runner.close();
  }

  await Promise.all(Array.from({ length: threads }, work));
}

function machinesOf(seed: number): number {
  return planOf(branch(seededRandom(seed))).machines;
}

export interface SeedRunner {
  run(seed: number): Promise<Outcome>;
  close(): Promise<void>;
}

/** One thread, which is used for many seeds: they run many times as fast once its code is compiled. */
export function createSeedRunner(data: SeedWorkerData = {}): SeedRunner {
  let worker = startWorker(data);
  return {
    async run(seed) {
      try {
        return await deadline(systemClock, realTimeLimitMs, `seed ${seed}`, reportOf(worker, seed));
      } catch (error) {
        await worker.terminate();
        worker = startWorker(data);
        return { seed, gaveUp: error instanceof Error ? error.message : String(error) };
      }
    },
    async close() {
      await worker.terminate();
    },
  };
}

function startWorker(data: SeedWorkerData): Worker {
  // What a seed leaves behind is short-lived and a lot.
  const resourceLimits = { maxYoungGenerationSizeMb: 64 };
  return new Worker(new URL('./seed-worker.ts', import.meta.url), { workerData: data, resourceLimits });
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

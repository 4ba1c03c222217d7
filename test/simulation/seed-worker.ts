/** Runs the seeds that the main thread sends, one after the other, and sends back what came out. */
import { parentPort } from 'node:worker_threads';
import { simulate, type SimulationResult } from './simulate.ts';

/** A result without its trace, which nobody reads for a seed that held. */
export type SeedReport = Omit<SimulationResult, 'trace'>;

async function run(seed: number): Promise<SeedReport> {
  const { trace: _trace, ...report } = await simulate({ seed });
  return report;
}

parentPort?.on('message', (seed: number) => {
  void run(seed).then((report) => parentPort?.postMessage(report));
});

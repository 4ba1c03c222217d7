/** Runs the seeds that the main thread sends, one after the other, and sends back what came out; sabotaged, if the thread was started for that. */
import { parentPort, workerData } from 'node:worker_threads';
import { plant, type PlantedBug } from './mutate.ts';
import type { SimulationResult } from './simulate.ts';

/** A result without its trace, which nobody reads for a seed that held. */
export type SeedReport = Omit<SimulationResult, 'trace' | 'hash'>;

/** `sabotage`: by name, one of the cases of sabotage.ts or mutations.ts. */
export interface SeedWorkerData {
  readonly sabotage?: string;
}

const { sabotage: name }: SeedWorkerData = Object(workerData);
const { mutations } = await import('./mutations.ts');
const mutation = mutations.find((each) => each.name === name);
const bug: PlantedBug | undefined = mutation === undefined ? undefined : plant(mutation);
// What the program is made of may be loaded only now.
const { simulate } = await import('./simulate.ts');
const { sabotages } = await import('./sabotage.ts');
const sabotage = sabotages.find((each) => each.name === name);
if (name !== undefined && sabotage === undefined && bug?.applied !== true) {
  throw new Error(`nothing of the simulation is sabotaged by: ${name}`);
}

async function run(seed: number): Promise<SeedReport> {
  const { trace: _trace, hash: _hash, ...report } = await simulate({ seed, sabotage });
  return report;
}

parentPort?.on('message', (seed: number) => {
  void run(seed).then((report) => parentPort?.postMessage(report));
});

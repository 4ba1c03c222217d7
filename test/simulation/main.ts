/**
 * `npm run simulate -- --seed 7` prints what happens in that seed; `-- --seeds 200` runs seeds 1 to 200 on all cores and prints those that
 * fail. Ends with 1 when an invariant was violated, with 2 when it does not understand its arguments.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runSeeds } from './run-seeds.ts';
import { simulate } from './simulate.ts';
import { invariantNames } from './violation.ts';

const usage = 'usage: npm run simulate -- --seed <n> | --seeds <n> [--from <n>] [--threads <n>]';
const lastSteps = 40;

async function showSeed(seed: number): Promise<number> {
  const { trace, violation, hash, steps, virtualMs } = await simulate({ seed });
  for (const line of trace) console.log(line);
  console.log(`\nseed ${seed}: ${steps} steps in ${Math.round(virtualMs / 60_000)} virtual minutes, trace ${hash}`);
  if (violation === undefined) return 0;
  const { invariant, message } = violation;
  console.log(
    `\n${invariant} is violated (${invariantNames[invariant]}):\n  ${message}\n\nthe last ${lastSteps} steps:`,
  );
  for (const line of trace.slice(-lastSteps)) console.log(line);
  return 1;
}

async function showSeeds(seeds: readonly number[], threads: number): Promise<number> {
  let failed = 0;
  let steps = 0;
  let virtualMs = 0;
  await runSeeds({
    seeds,
    threads,
    onReport(report) {
      if ('gaveUp' in report) {
        failed += 1;
        console.log(`seed ${report.seed}: came to no end: ${report.gaveUp}`);
        return;
      }
      steps += report.steps;
      virtualMs += report.virtualMs;
      if (report.violation === undefined) return;
      failed += 1;
      console.log(`seed ${report.seed}: ${report.violation.invariant}: ${report.violation.message}`);
    },
  });
  const hours = Math.round(virtualMs / 3_600_000);
  console.log(`${seeds.length} seeds, ${failed} failed; ${steps} steps, ${hours} virtual hours`);
  return failed === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      from: { type: 'string', default: '1' },
      threads: { type: 'string', default: String(availableParallelism()) },
    },
  });
  const [seed, seeds, from, threads] = [values.seed, values.seeds, values.from, values.threads].map(Number);
  if (values.seed !== undefined && Number.isInteger(seed)) return showSeed(seed ?? 1);
  if (!Number.isInteger(seeds) || !Number.isInteger(from) || !Number.isInteger(threads)) {
    console.error(usage);
    return 2;
  }
  const first = from ?? 1;
  return showSeeds(
    Array.from({ length: seeds ?? 0 }, (_, index) => first + index),
    threads ?? 1,
  );
}

process.exitCode = await main();

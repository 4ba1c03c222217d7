/**
 * `npm run simulate -- --seeds 200` runs seeds 1 to 200 on all cores and prints those that fail; `-- --replay 7` prints what happens in seed 7, and with
 * `--only service/front` what concerns that service; `-- --sabotage` breaks the program on purpose and shows which invariant notices. Ends with 1 when an
 * invariant was violated (or a sabotage was not found), with 2 when it does not understand its arguments.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runSeeds } from './run-seeds.ts';
import { searchSabotages } from './sabotage-search.ts';
import { simulate } from './simulate.ts';
import { createTally } from './tally.ts';
import { printTrace } from './trace-print.ts';
import { invariantNames } from './violation.ts';

const usage = `usage: npm run simulate -- --seeds <n> [--from <n>] [--threads <n>]
       npm run simulate -- --replay <seed> [--only <subject>]...   subjects: service/front, task/0123abcd, host-1, control, user, fault
       npm run simulate -- --sabotage [--only seam|source|<name>]... [--seeds <n>] [--threads <n>]`;
const lastEntries = 40;
const seedsPerSabotage = 40;

async function replay(seed: number, subjects: readonly string[]): Promise<number> {
  const result = await simulate({ seed, keepTrace: true });
  const { trace, violation, hash } = result;
  for (const line of printTrace(trace, subjects)) console.log(line);
  const tally = createTally();
  tally.add(result);
  console.log(`\nseed ${seed}: ${tally.text()}\ntrace ${hash}`);
  if (violation === undefined) return 0;
  const { invariant, message } = violation;
  console.log(`\n${invariant} is violated (${invariantNames[invariant]}):\n  ${message}\n\nthe end of it:`);
  for (const line of printTrace(trace.slice(-lastEntries), [])) console.log(line);
  return 1;
}

async function runMany(seeds: readonly number[], threads: number): Promise<number> {
  const tally = createTally();
  await runSeeds({
    seeds,
    threads,
    onReport(report) {
      tally.add(report);
      if ('gaveUp' in report) console.log(`seed ${report.seed}: came to no end: ${report.gaveUp}`);
      else if (report.violation !== undefined) {
        console.log(`seed ${report.seed}: ${report.violation.invariant}: ${report.violation.message}`);
      }
    },
  });
  console.log(`${seeds.length} seeds, ${tally.failed} failed; ${tally.text()}`);
  return tally.failed === 0 ? 0 : 1;
}

async function sabotage(seeds: number, threads: number, only: readonly string[]): Promise<number> {
  let missed = 0;
  await searchSabotages({
    seeds,
    threads,
    only,
    onFound({ name, kind, breaks, seed, violation }) {
      const found = violation !== undefined && breaks.includes(violation.invariant);
      if (!found) missed += 1;
      const what = violation === undefined ? `NOT FOUND in ${seeds} seeds` : `seed ${seed}: ${violation.invariant}`;
      const wrong = violation === undefined || found ? '' : ` instead of ${breaks.join(' or ')}: ${violation.message}`;
      console.log(`${kind.padEnd(6)} ${name.padEnd(76)} ${what}${wrong}`);
    },
  });
  console.log(missed === 0 ? 'each was found' : `${missed} were not found`);
  return missed === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      replay: { type: 'string' },
      only: { type: 'string', multiple: true, default: [] },
      seed: { type: 'string' },
      seeds: { type: 'string' },
      from: { type: 'string', default: '1' },
      threads: { type: 'string', default: String(availableParallelism()) },
      sabotage: { type: 'boolean', default: false },
    },
  });
  const one = Number(values.replay ?? values.seed);
  const [seeds, from, threads] = [values.seeds, values.from, values.threads].map(Number) as [number, number, number];
  if (Number.isInteger(one)) return replay(one, values.only);
  if (Number.isInteger(threads) && values.sabotage) {
    return sabotage(Number.isInteger(seeds) ? seeds : seedsPerSabotage, threads, values.only);
  }
  if (Number.isInteger(seeds) && Number.isInteger(from) && Number.isInteger(threads)) {
    return runMany(
      Array.from({ length: seeds }, (_, index) => from + index),
      threads,
    );
  }
  console.error(usage);
  return 2;
}

process.exitCode = await main();

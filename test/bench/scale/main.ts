/**
 * `npm run bench:scale`: the real control process with thousands of simulated agents on real WebSockets (docs/scale.md). `-- --quick` measures small
 * fleets, `--instances N --tasks N` one of that size, `--json FILE` keeps the figures, `--profile FOLDER` leaves a profile of control's processor time
 * for each size, `--flags` are Node's for control instead of the unit's. The exit code tells whether every target was met.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { buildProgram } from '#test/support/processes.ts';
import { note } from '../table.ts';
import { descriptorProblem } from './machine-limits.ts';
import { measure, type ControlSettings, type Measurement, type Size } from './measure.ts';
import { growthLines, isMet, tableOf, targetLine, targetsOf } from './report.ts';

const full: readonly Size[] = [
  { instances: 100, tasks: 2000, failing: 20, seconds: 20, waitSeconds: 120 },
  { instances: 1000, tasks: 20_000, failing: 200, seconds: 20, waitSeconds: 300 },
  { instances: 5000, tasks: 100_000, failing: 1000, seconds: 30, waitSeconds: 900 },
  { instances: 1000, tasks: 100_000, failing: 0, seconds: 30, waitSeconds: 900 },
];
const quick: readonly Size[] = [
  { instances: 20, tasks: 400, failing: 4, seconds: 5, waitSeconds: 60 },
  { instances: 100, tasks: 2000, failing: 20, seconds: 5, waitSeconds: 60 },
];

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      profile: { type: 'string' },
      instances: { type: 'string' },
      tasks: { type: 'string' },
      flags: { type: 'string' },
    },
  });
  const sizes = chosenSizes(values);
  const problem = await descriptorProblem(Math.max(...sizes.map(({ instances }) => instances)));
  if (problem !== undefined) {
    note(problem);
    return 2;
  }
  const settings: ControlSettings = {
    ...(values.profile === undefined ? {} : { profileFolder: values.profile }),
    ...(values.flags === undefined ? {} : { flags: values.flags.split(' ').filter((flag) => flag !== '') }),
  };
  await buildProgram();
  const interrupted = interruption();
  const measurements: Measurement[] = [];
  for (const size of sizes) {
    note(`${size.instances} instances, ${size.tasks} tasks`);
    measurements.push(await measure(size, settings, interrupted));
  }
  const targets = targetsOf(measurements);
  const growth = growthLines(measurements);
  process.stdout.write(`${[...tableOf(measurements), ...growth, '', ...targets.map(targetLine)].join('\n')}\n`);
  if (values.json !== undefined) await writeFile(values.json, JSON.stringify(measurements, undefined, 2));
  return targets.every(isMet) && growth.length === 0 ? 0 : 1;
}

/** Rejects at the first signal, so that what runs is taken down; a second one ends the process at once. */
function interruption(): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => reject(new Error(`interrupted by ${signal}`)));
  }
  return promise;
}

function chosenSizes({ quick: isQuick, instances, tasks }: { quick: boolean; instances?: string; tasks?: string }) {
  const usual = isQuick ? quick : full;
  if (instances === undefined && tasks === undefined) return usual;
  const count = Number(instances ?? 100);
  const seconds = isQuick ? 5 : 20;
  return [
    { instances: count, tasks: Number(tasks ?? 20 * count), failing: Math.floor(count / 5), seconds, waitSeconds: 900 },
  ];
}

process.exitCode = await main();

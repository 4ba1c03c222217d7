/** What kind of life a seed leads: how many machines, for how long, how busy its users are and how unlucky. Decided by the seed alone. */
import { int, pick, type Random } from '#lib/random.ts';
import { chooseFaults, type FaultName } from './faults.ts';
import { weighted } from './workload.ts';

export interface Plan {
  readonly machines: number;
  /** SQLite is the real one, memory many times as fast and held to the same contract. */
  readonly database: 'sqlite' | 'memory';
  /** Of the agents; decided apart from the database. */
  readonly journals: 'sqlite' | 'memory';
  readonly heartbeatIntervalMs: number;
  /** What an announcement missed is repaired by these. */
  readonly fullPassEveryMs: number;
  /** How long users and faults have their way. */
  readonly turmoilMs: number;
  /** The longest pause between two calls of users. */
  readonly callPaceMs: number;
  readonly faults: readonly FaultName[];
  /** The longest pause between two faults. */
  readonly faultPaceMs: number;
}

const second = 1000;
const minute = 60 * second;

/** Most bugs need few machines, some need many; a seed of 200 costs as much as a hundred of 2. */
const sizes: readonly (readonly [readonly [from: number, to: number], number])[] = [
  [[1, 4], 920],
  [[5, 12], 60],
  [[13, 40], 14],
  [[41, 100], 3],
  [[101, 200], 3],
];

/** Most messages of a quiet minute are heartbeats, and they say nothing. */
const heartbeatSeconds: readonly (readonly [number, number])[] = [
  [10, 1],
  [30, 2],
  [60, 7],
];

/** Above this many machines SQLite would take most of the time of a run, and below it a tenth of it. */
const mostMachinesOnSqlite = 4;
const onSqliteOneIn = 20;
const mostMachinesWithFastHeartbeats = 4;

export function planOf(random: Random): Plan {
  const machines = int(random, ...weighted(random, sizes));
  const onSqlite = (): boolean => machines <= mostMachinesOnSqlite && int(random, 1, onSqliteOneIn) === 1;
  const { names, paceMs } = chooseFaults(random);
  return {
    machines,
    database: onSqlite() ? 'sqlite' : 'memory',
    journals: onSqlite() ? 'sqlite' : 'memory',
    // Most messages are heartbeats; they must not take most of the time as well.
    heartbeatIntervalMs: (machines > mostMachinesWithFastHeartbeats ? 60 : weighted(random, heartbeatSeconds)) * second,
    fullPassEveryMs: pick(random, [1, 5, 15]) * minute,
    turmoilMs: 60 * minute,
    callPaceMs: int(random, 30, 180) * second,
    faults: names,
    faultPaceMs: paceMs,
  };
}

export function planText({ machines, database, journals, callPaceMs, faultPaceMs, faults }: Plan): string {
  const pace = `calls within ${callPaceMs / second} s, faults within ${faultPaceMs / second} s`;
  return `${machines} machines, ${database} database, ${journals} journals, ${pace}: ${faults.join(', ')}`;
}

/** What the bench of scale prints: a column for each size, how the figures grow between them, and the targets. Pure. */
import type { Latencies } from './api-load.ts';
import { lostAfterSeconds, type Measurement } from './measure.ts';

export interface Target {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly target: number;
  /** Whether more is better. */
  readonly atLeast?: true;
}

/** How much worse than linear a step may look before it counts: what measuring the same thing twice differs by. */
const growthTolerance = 1.25;

export function isMet({ value, target, atLeast }: Target): boolean {
  return atLeast === true ? value >= target : value <= target;
}

export function targetsOf(measurements: readonly Measurement[]): Target[] {
  const largest = measurements.at(-1);
  if (largest === undefined) return [];
  const worst = (value: (measurement: Measurement) => number): number => Math.max(...measurements.map(value));
  const slowest = Math.min(...measurements.map(({ tasksPerSecond }) => tasksPerSecond));
  const failovers = measurements.flatMap(({ failover }) => failover ?? []);
  return [
    { what: 'tasks placed and started a second', value: slowest, unit: '/s', target: 2000, atLeast: true },
    {
      what: 'DescribeTasks p99, all tasks running',
      value: worst(({ atRest }) => atRest.DescribeTasks.p99),
      unit: ' ms',
      target: 50,
    },
    { what: 'resident size of control, at most', value: worst(({ peakMiB }) => peakMiB), unit: ' MiB', target: 1536 },
    ...failovers.map(({ seconds }) => ({
      what: 'failed instances replaced, once given up',
      value: seconds - lostAfterSeconds,
      unit: ' s',
      target: 30,
    })),
  ];
}

export function targetLine(target: Target): string {
  const { what, value, unit, atLeast } = target;
  const bound = `${atLeast === true ? '>=' : '<='} ${target.target}${unit}`;
  return `${what.padEnd(44)} ${`${value.toFixed(1)}${unit}`.padStart(14)}   target ${bound.padEnd(12)} ${isMet(target) ? 'met' : 'MISSED'}`;
}

interface Line {
  readonly what: string;
  readonly value: (measurement: Measurement) => number | undefined;
  readonly digits?: number;
  /** The figure of a fleet that is n times as large may be n times as high. */
  readonly grows?: true;
}

const lines: readonly Line[] = [
  { what: 'services', value: ({ services }) => services },
  { what: 'join, s', value: ({ joinSeconds }) => joinSeconds, digits: 1, grows: true },
  { what: 'all tasks RUNNING, s', value: ({ allRunningSeconds }) => allRunningSeconds, digits: 1, grows: true },
  { what: 'tasks placed and started, /s', value: ({ tasksPerSecond }) => tasksPerSecond },
  { what: 'control, processor s', value: ({ controlCpuSeconds }) => controlCpuSeconds, digits: 1, grows: true },
  { what: 'agents, processor s', value: ({ agentsCpuSeconds }) => agentsCpuSeconds, digits: 1 },
  ...latencyLines('placing', ({ whilePlacing }) => whilePlacing),
  ...latencyLines('running', ({ atRest }) => atRest),
  { what: 'control idle without tasks, %', value: ({ idleEmptyPercent }) => idleEmptyPercent, digits: 1, grows: true },
  { what: 'control idle with all tasks, %', value: ({ idlePercent }) => idlePercent, digits: 1, grows: true },
  { what: 'a heartbeat, µs of processor', value: ({ heartbeatMicros }) => heartbeatMicros },
  { what: 'resident size, MiB', value: ({ residentMiB }) => residentMiB, grows: true },
  { what: 'resident size at most, MiB', value: ({ peakMiB }) => peakMiB, grows: true },
  { what: 'database, MiB', value: ({ databaseMiB }) => databaseMiB, grows: true },
  { what: 'tasks of failed instances', value: ({ failover }) => failover?.tasks },
  { what: 'all elsewhere, s', value: ({ failover }) => failover?.seconds, digits: 1 },
  { what: 'sessions lost', value: ({ lostSessions }) => lostSessions },
];

function latencyLines(when: string, of: (measurement: Measurement) => Latencies): Line[] {
  return (['DescribeTasks', 'ListTasks', 'RunTask'] as const).flatMap((operation) => [
    { what: `${operation} p50, ${when}, ms`, value: (one: Measurement) => of(one)[operation].p50, digits: 1 },
    {
      what: `${operation} p99, ${when}, ms`,
      value: (one: Measurement) => of(one)[operation].p99,
      digits: 1,
      grows: true as const,
    },
  ]);
}

export function tableOf(measurements: readonly Measurement[]): string[] {
  const heads = measurements.map(({ size }) => `${size.instances} x ${size.tasks}`);
  const head = ['instances x tasks'.padEnd(36), ...heads.map((text) => text.padStart(16))].join('');
  const body = lines.flatMap(({ what, value, digits = 0 }) => {
    const values = measurements.map(value);
    if (values.every((each) => each === undefined || Number.isNaN(each))) return [];
    const cells = values.map((each) => (each === undefined || Number.isNaN(each) ? '-' : each.toFixed(digits)));
    return [[what.padEnd(36), ...cells.map((text) => text.padStart(16))].join('')];
  });
  return [head, ...body];
}

/** Steps between sizes of the same density in which a figure grew faster than the fleet. */
export function growthLines(measurements: readonly Measurement[]): string[] {
  const dense = measurements.filter(({ size }) => size.tasks / size.instances === densityOf(measurements[0]));
  const found: string[] = [];
  for (const [index, larger] of dense.entries()) {
    const smaller = dense[index - 1];
    if (smaller === undefined) continue;
    const factor = larger.size.instances / smaller.size.instances;
    for (const { what, value, grows } of lines) {
      const [before, after] = [value(smaller), value(larger)];
      if (grows === undefined || before === undefined || after === undefined || !(before > 0)) continue;
      if (after / before <= factor * growthTolerance) continue;
      found.push(
        `worse than linear: ${what} grew ${(after / before).toFixed(1)} times from ${smaller.size.instances} to ${larger.size.instances} instances`,
      );
    }
  }
  return found;
}

function densityOf(measurement: Measurement | undefined): number {
  return measurement === undefined ? 0 : measurement.size.tasks / measurement.size.instances;
}

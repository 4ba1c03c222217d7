/**
 * What is known of one container's use, sample by sample. Pure. Invariants: totals never fall, because a container that its restart policy starts
 * again counts from 0 anew and its totals go on; a rate is of two samples that lie apart in time, never of one.
 */
import type { MetricSets } from '#protocol/session/telemetry.ts';
import { noTraffic, traffic, workingSetBytes, type ContainerStats, type InterfaceCounters } from './container-stats.ts';
import { withSample, type MetricValues } from './stat-set.ts';

/** Counters since this agent first saw the task's container, restarts included. */
export interface Totals extends InterfaceCounters {
  readonly cpuNs: number;
  readonly readBytes: number;
  readonly writeBytes: number;
}

export interface Figures {
  /** Epoch milliseconds of the container's last start: counters of another run begin at 0. */
  readonly startedAt: number;
  readonly latest: ContainerStats;
  /** Of the same run. */
  readonly previous?: ContainerStats;
  readonly totals: Totals;
  /** Since they were last taken. */
  readonly window: MetricSets;
  readonly rates?: Rates;
}

export interface Rates {
  /** 1024 is one processor. */
  readonly cpuUnits: number;
  readonly rxBytesPerSecond: number;
  readonly txBytesPerSecond: number;
}

const cpuUnitsPerCpu = 1024;

export function nextFigures(before: Figures | undefined, stats: ContainerStats, startedAt: number): Figures {
  const counters = countersOf(stats);
  const levels: MetricValues = { memoryBytes: workingSetBytes(stats), pids: stats.pids };
  if (before === undefined) {
    return { startedAt, latest: stats, totals: counters, window: withSample({}, levels) };
  }
  const sameRun = before.startedAt === startedAt;
  const added = additions(sameRun ? countersOf(before.latest) : undefined, counters);
  const seconds = (stats.readAt - before.latest.readAt) / 1000;
  const rates = seconds > 0 ? ratesOf(added, seconds) : undefined;
  const { cpuNs: _, ...increments } = added;
  return {
    startedAt,
    latest: stats,
    ...(sameRun && { previous: before.latest }),
    totals: combined(before.totals, added, (a, b) => a + b),
    window: withSample(before.window, { ...levels, ...increments, ...rates }),
    ...(rates !== undefined && { rates }),
  };
}

/** The window so far, and what remains when it is taken. */
export function takeWindow(figures: Figures): { window: MetricSets; rest: Figures } {
  return { window: figures.window, rest: { ...figures, window: {} } };
}

function ratesOf(added: Totals, seconds: number): Rates {
  return {
    cpuUnits: (added.cpuNs / 1e9 / seconds) * cpuUnitsPerCpu,
    rxBytesPerSecond: added.rxBytes / seconds,
    txBytesPerSecond: added.txBytes / seconds,
  };
}

function countersOf(stats: ContainerStats): Totals {
  let readBytes = 0;
  let writeBytes = 0;
  for (const device of stats.block) {
    readBytes += device.readBytes;
    writeBytes += device.writeBytes;
  }
  return { ...traffic(stats), cpuNs: stats.cpu.totalNs, readBytes, writeBytes };
}

/** A counter that fell began anew: all of it is new. */
function additions(before: Totals | undefined, now: Totals): Totals {
  return combined(before ?? noCounters, now, (a, b) => (b < a ? b : b - a));
}

const noCounters: Totals = { ...noTraffic, cpuNs: 0, readBytes: 0, writeBytes: 0 };

function combined(a: Totals, b: Totals, operation: (a: number, b: number) => number): Totals {
  return {
    cpuNs: operation(a.cpuNs, b.cpuNs),
    rxBytes: operation(a.rxBytes, b.rxBytes),
    rxPackets: operation(a.rxPackets, b.rxPackets),
    rxErrors: operation(a.rxErrors, b.rxErrors),
    rxDropped: operation(a.rxDropped, b.rxDropped),
    txBytes: operation(a.txBytes, b.txBytes),
    txPackets: operation(a.txPackets, b.txPackets),
    txErrors: operation(a.txErrors, b.txErrors),
    txDropped: operation(a.txDropped, b.txDropped),
    readBytes: operation(a.readBytes, b.readBytes),
    writeBytes: operation(a.writeBytes, b.writeBytes),
  };
}

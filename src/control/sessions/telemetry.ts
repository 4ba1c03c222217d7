/**
 * What tasks use, as their agents say, in memory and never in SQL: each task's newest window, with its age. A task is looked up once, so that what
 * an agent says counts only for tasks that are really its own, and for the service that the database names. Bounded: tasks that were silent for
 * `keptMs` are forgotten, and beyond `maximumTasks` newcomers are not taken.
 */
import type { Clock } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import type { Logger } from '#lib/logger.ts';
import type { MetricSets, StatSet, TaskTelemetry, Telemetry } from '#protocol/session/telemetry.ts';
import type { Store } from '../store/store.ts';

export interface TelemetryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface TelemetryOrigin {
  readonly containerInstanceArn: string;
  readonly clusterName: string;
  /** Of the machine. */
  readonly cpu: number;
  readonly memoryMiB: number;
}

/** Shares of what was reserved, 1 is all of it; above 1 where tasks may use more than they reserved. */
export interface Utilisation {
  readonly clusterName: string;
  /** Absent for the machines of the cluster as a whole. */
  readonly serviceName?: string;
  /** Tasks, or machines, that this is the average of. */
  readonly sources: number;
  /** Absent when nothing was reserved. */
  readonly cpu?: Share;
  readonly memory?: Share;
  /** Milliseconds since the oldest of the windows was received. */
  readonly ageMs: number;
}

export interface Share {
  readonly average: number;
  readonly minimum: number;
  readonly maximum: number;
}

/** What reads utilisation: metrics, and whatever scales services. */
export interface UtilisationSource {
  /** One entry per service with tasks that report, none older than `keptMs`. */
  services(): Utilisation[];
  /** One entry per cluster with machines that report. */
  clusters(): Utilisation[];
}

export interface TelemetryBoard extends UtilisationSource {
  /** Never throws; what cannot be looked up now is dropped, the next window follows. */
  receive(origin: TelemetryOrigin, message: Telemetry): void;
  /** Resolves when no look-up is under way. */
  settled(): Promise<void>;
}

interface Row {
  readonly clusterName: string;
  readonly serviceName?: string;
  /** CPU units and bytes. */
  readonly reserved: { readonly cpu: number; readonly memory: number };
  readonly used: { readonly cpu: StatSet | undefined; readonly memory: StatSet | undefined };
  readonly receivedAt: number;
}

/** As old as the samples that ECS's service still takes. */
const keptMs = 5 * 60_000;
const maximumTasks = 50_000;
const maximumLookUps = 32;
const bytesPerMiB = 1024 * 1024;

export function createTelemetryBoard({ store, clock, logger }: TelemetryOptions): TelemetryBoard {
  const tasks = new Map<string, Row>();
  const machines = new Map<string, Row>();
  const lookUps = new Set<Promise<void>>();
  let sweptAt = clock.now();

  function receive(origin: TelemetryOrigin, message: Telemetry): void {
    sweep();
    const receivedAt = clock.now();
    if (message.fin) {
      machines.set(origin.containerInstanceArn, {
        clusterName: origin.clusterName,
        reserved: { cpu: origin.cpu, memory: origin.memoryMiB * bytesPerMiB },
        used: { cpu: message.instance.cpuUnits, memory: message.instance.memoryBytes },
        receivedAt,
      });
    }
    const unknown: TaskTelemetry[] = [];
    for (const task of message.tasks) {
      const known = tasks.get(task.taskArn);
      if (known === undefined) unknown.push(task);
      else tasks.set(task.taskArn, { ...known, used: usedBy(task), receivedAt });
    }
    if (unknown.length === 0 || tasks.size >= maximumTasks || lookUps.size >= maximumLookUps) return;
    const looking: Promise<void> = introduce(origin, unknown, receivedAt).finally(() => lookUps.delete(looking));
    lookUps.add(looking);
  }

  async function introduce(origin: TelemetryOrigin, unknown: readonly TaskTelemetry[], receivedAt: number) {
    try {
      const found = await store.read((tx) => tx.tasks.getMany(unknown.map(({ taskArn }) => taskArn)));
      for (const task of found) {
        const told = unknown.find(({ taskArn }) => taskArn === task.taskArn);
        if (told === undefined || task.containerInstanceArn !== origin.containerInstanceArn) continue;
        tasks.set(task.taskArn, {
          clusterName: task.clusterName,
          ...(task.serviceName !== undefined && { serviceName: task.serviceName }),
          reserved: { cpu: task.resources.cpu, memory: task.resources.memoryMiB * bytesPerMiB },
          used: usedBy(told),
          receivedAt,
        });
      }
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'tasks that report what they use could not be looked up');
    }
  }

  function sweep(): void {
    const now = clock.now();
    if (now - sweptAt < keptMs / 10) return;
    sweptAt = now;
    for (const rows of [tasks, machines]) {
      for (const [key, { receivedAt }] of rows) if (now - receivedAt > keptMs) rows.delete(key);
    }
  }

  function grouped(rows: Iterable<Row>, wanted: (row: Row) => boolean): Utilisation[] {
    const now = clock.now();
    const groups = Map.groupBy(
      [...rows].filter((row) => wanted(row) && now - row.receivedAt <= keptMs),
      ({ clusterName, serviceName = '' }) => `${clusterName} ${serviceName}`,
    );
    return [...groups.values()].map((group) => utilisationOf(group, now));
  }

  return {
    receive,
    services: () => grouped(tasks.values(), ({ serviceName }) => serviceName !== undefined),
    clusters: () => grouped(machines.values(), () => true),
    async settled() {
      await Promise.all(lookUps);
    },
  };
}

function utilisationOf(rows: readonly [Row, ...Row[]] | readonly Row[], now: number): Utilisation {
  const [first] = rows;
  const cpu = shareOf(rows, 'cpu');
  const memory = shareOf(rows, 'memory');
  return {
    clusterName: first?.clusterName ?? '',
    ...(first?.serviceName !== undefined && { serviceName: first.serviceName }),
    sources: rows.length,
    ...(cpu !== undefined && { cpu }),
    ...(memory !== undefined && { memory }),
    ageMs: Math.max(...rows.map(({ receivedAt }) => now - receivedAt)),
  };
}

/** As ECS reckons: what all of them used, of what all of them reserved. */
function shareOf(rows: readonly Row[], resource: 'cpu' | 'memory'): Share | undefined {
  let reserved = 0;
  let used = 0;
  const shares: number[] = [];
  for (const row of rows) {
    const set = row.used[resource];
    const share = row.reserved[resource];
    if (set === undefined || share === 0) continue;
    reserved += share;
    used += set.sum / set.sampleCount;
    shares.push(set.min / share, set.max / share);
  }
  if (reserved === 0) return undefined;
  return { average: used / reserved, minimum: Math.min(...shares), maximum: Math.max(...shares) };
}

function usedBy({ containers }: TaskTelemetry): Row['used'] {
  const sum = (name: keyof MetricSets): StatSet | undefined =>
    summed(containers.flatMap(({ metrics }) => metrics[name] ?? []));
  return { cpu: sum('cpuUnits'), memory: sum('memoryBytes') };
}

/** The containers of a task side by side: averages add up exactly, extremes as if they came at once. */
function summed(sets: readonly StatSet[]): StatSet | undefined {
  if (sets.length === 0) return undefined;
  let total = { min: 0, max: 0, sum: 0, sampleCount: 1 };
  for (const { min, max, sum, sampleCount } of sets) {
    total = { ...total, min: total.min + min, max: total.max + max, sum: total.sum + sum / sampleCount };
  }
  return total;
}

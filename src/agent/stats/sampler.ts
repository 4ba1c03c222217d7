/**
 * Looks at what the running containers and the machine use, every few seconds, and keeps the newest figures. The kernel is asked first and the
 * engine only where the kernel cannot tell (an engine elsewhere, an agent without a view of its processes). Invariants: rounds never overlap, so a
 * slow engine makes them rarer and not more; failing to look changes nothing for any container.
 */
import type { Clock, Timer } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import { int, type Random } from '#lib/random.ts';
import { createSemaphore } from '#lib/semaphore.ts';
import type { MetricSets } from '#protocol/session/telemetry.ts';
import type { ContainerEngine } from '../engine/container-engine.ts';
import type { EngineStatsReader } from '../engine/engine-stats-reader.ts';
import type { AgentContainer, AgentTask } from '../tasks/agent-task.ts';
import type { CgroupReader, HostReading } from './cgroup-reader.ts';
import type { ContainerStats } from './container-stats.ts';
import { nextFigures, takeWindow, type Figures } from './figures.ts';
import { renderEngineStats } from './render-engine-stats.ts';
import { withSample } from './stat-set.ts';
import type { StatsSource } from './stats-source.ts';

export interface SamplerOptions {
  tasks(): readonly AgentTask[];
  readonly engine: Pick<ContainerEngine, 'inspect'> & EngineStatsReader;
  readonly reader: CgroupReader;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly everyMs: number;
}

/** A container whose use is known, with what it belongs to. */
export interface SampledContainer {
  readonly task: AgentTask;
  readonly container: AgentContainer;
  readonly figures: Figures;
}

export interface UsageWindow {
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly instance: MetricSets;
  readonly containers: readonly { task: AgentTask; container: AgentContainer; metrics: MetricSets }[];
}

export interface Sampler extends StatsSource {
  start(): void;
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
  /** What was used since the last call. */
  takeWindow(): UsageWindow;
  /** Running containers with their newest figures. */
  containers(): SampledContainer[];
  host(): HostReading | undefined;
}

type Whereabouts = { kind: 'local'; pid: number } | { kind: 'engine' };

interface Entry {
  engineId: string;
  startedAt: number;
  whereabouts?: Whereabouts;
  figures?: Figures;
  /** It runs, and `figures` are of this run. */
  current: boolean;
}

const engineCallsAtOnce = 4;
/** So many reads in a row take some milliseconds; then others have their turn. */
const readsInARow = 32;
const cpuUnitsPerCpu = 1024;

export function createSampler(options: SamplerOptions): Sampler {
  const { engine, reader, clock, random, logger, everyMs } = options;
  const entries = new Map<string, Entry>();
  const engineCalls = createSemaphore(engineCallsAtOnce);
  const ending = new AbortController();
  const { signal } = ending;
  let timer: Timer | undefined;
  let round: Promise<void> = Promise.resolve();
  let host: HostReading | undefined;
  let hostWindow: MetricSets = {};
  let windowFrom = clock.now();

  function schedule(ms: number): void {
    timer = clock.after(ms, () => {
      round = sample().then(() => void (signal.aborted || schedule(everyMs)));
    });
  }

  async function sample(): Promise<void> {
    try {
      sampleHost();
      const running = runningContainers(options.tasks());
      forgetAllBut(new Set(options.tasks().map(({ assignment }) => assignment.taskArn)));
      const keys = new Set(running.map(({ key }) => key));
      for (const [key, entry] of entries) entry.current &&= keys.has(key);
      const asked: Promise<void>[] = [];
      for (const [index, { key, engineId, startedAt }] of running.entries()) {
        if (index % readsInARow === readsInARow - 1) await clock.sleep(0, signal);
        const entry = entryOf(key, engineId, startedAt);
        const stats = readLocally(entry);
        if (stats === undefined) asked.push(engineCalls.run(() => askEngine(entry), signal));
        else note(entry, stats);
      }
      await Promise.all(asked);
    } catch (error) {
      if (!signal.aborted) logger.debug({ error }, 'what containers use could not be looked at');
    }
  }

  function sampleHost(): void {
    const before = host;
    host = reader.host();
    if (host === undefined) return;
    const levels = { memoryBytes: host.totalBytes - host.availableBytes };
    const elapsed = before === undefined ? 0 : host.totalNs - before.totalNs;
    const busy = before === undefined ? 0 : elapsed - (host.idleNs - before.idleNs);
    const share = elapsed > 0 ? Math.min(1, Math.max(0, busy / elapsed)) : undefined;
    const cpu = share === undefined ? {} : { cpuUnits: share * host.cpus * cpuUnitsPerCpu };
    hostWindow = withSample(hostWindow, { ...levels, ...cpu });
  }

  function entryOf(key: string, engineId: string, startedAt: number): Entry {
    const known = entries.get(key);
    if (known?.engineId === engineId && known.startedAt === startedAt) return known;
    // Figures of an earlier run stay, so that totals go on.
    const entry: Entry = { engineId, startedAt, current: false, ...(known?.figures && { figures: known.figures }) };
    entries.set(key, entry);
    return entry;
  }

  function readLocally({ engineId, whereabouts }: Entry): ContainerStats | undefined {
    if (host === undefined || whereabouts?.kind !== 'local') return undefined;
    return reader.read({ containerId: engineId, pid: whereabouts.pid }, host);
  }

  /** The first look at a run finds its process; later ones come here only when the kernel does not tell. */
  async function askEngine(entry: Entry): Promise<void> {
    try {
      if (entry.whereabouts?.kind !== 'engine') {
        const found = await engine.inspect(entry.engineId, { signal });
        if (found?.state !== 'running') return;
        entry.whereabouts = { kind: 'local', pid: found.pid ?? 0 };
        const stats = readLocally(entry);
        if (stats !== undefined) return note(entry, stats);
        entry.whereabouts = { kind: 'engine' };
      }
      const stats = await engine.stats(entry.engineId, { signal });
      if (stats !== undefined) note(entry, stats);
    } catch (error) {
      if (!signal.aborted) logger.debug({ error, container: entry.engineId }, 'what a container uses is not known');
    }
  }

  function note(entry: Entry, stats: ContainerStats): void {
    entry.figures = nextFigures(entry.figures, stats, entry.startedAt);
    entry.current = true;
  }

  function forgetAllBut(taskArns: ReadonlySet<string>): void {
    for (const key of entries.keys()) if (!taskArns.has(taskOf(key))) entries.delete(key);
  }

  return {
    start() {
      schedule(int(random, 0, everyMs));
    },
    async stop() {
      ending.abort(new Error('the agent stops'));
      timer?.cancel();
      await round;
    },
    latest(taskArn, containerName) {
      const entry = entries.get(keyOf(taskArn, containerName));
      if (entry?.figures === undefined || !entry.current) return undefined;
      const task = options.tasks().find(({ assignment }) => assignment.taskArn === taskArn);
      const container = task?.containers.find(({ name }) => name === containerName);
      if (container?.phase.name !== 'RUNNING') return undefined;
      return renderEngineStats(entry.figures, { engineId: entry.engineId, engineName: container.engineName });
    },
    takeWindow() {
      const window = { from: windowFrom, to: clock.now(), instance: hostWindow };
      const containers: { task: AgentTask; container: AgentContainer; metrics: MetricSets }[] = [];
      for (const task of options.tasks()) {
        for (const container of task.containers) {
          const entry = entries.get(keyOf(task.assignment.taskArn, container.name));
          if (entry?.figures === undefined) continue;
          const taken = takeWindow(entry.figures);
          entry.figures = taken.rest;
          if (Object.keys(taken.window).length > 0) containers.push({ task, container, metrics: taken.window });
        }
      }
      hostWindow = {};
      windowFrom = window.to;
      return { ...window, containers };
    },
    containers() {
      return options.tasks().flatMap((task) =>
        task.containers.flatMap((container): SampledContainer[] => {
          const entry = entries.get(keyOf(task.assignment.taskArn, container.name));
          return entry?.figures !== undefined && entry.current ? [{ task, container, figures: entry.figures }] : [];
        }),
      );
    },
    host: () => host,
  };
}

function runningContainers(tasks: readonly AgentTask[]): { key: string; engineId: string; startedAt: number }[] {
  return tasks.flatMap(({ assignment, containers }) =>
    containers.flatMap(({ name, phase }) =>
      phase.name === 'RUNNING' && phase.restartDue === undefined
        ? [{ key: keyOf(assignment.taskArn, name), engineId: phase.engineId, startedAt: phase.startedAt }]
        : [],
    ),
  );
}

function keyOf(taskArn: string, containerName: string): string {
  return `${taskArn} ${containerName}`;
}

function taskOf(key: string): string {
  return key.slice(0, key.indexOf(' '));
}

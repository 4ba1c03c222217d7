/**
 * What watches over tasks and machine without deciding anything about them: figures of use (kept, published, scraped) and the checks of disks and
 * memory. The agent's work goes on in the same way without it.
 */
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import type { Random } from '#lib/random.ts';
import type { Agent } from './agent.ts';
import type { ContainerEngine } from './engine/container-engine.ts';
import type { EngineStatsReader } from './engine/engine-stats-reader.ts';
import type { HealthDetail } from './health/agent-health.ts';
import { createMachineHealth } from './health/machine-health.ts';
import { createMachineLooks } from './health/machine-looks.ts';
import { createCgroupReader } from './stats/cgroup-reader.ts';
import { exposition } from './stats/exposition.ts';
import { createMetricsServer } from './stats/metrics-server.ts';
import { createPublisher } from './stats/publisher.ts';
import { createSampler } from './stats/sampler.ts';
import type { StatsSource } from './stats/stats-source.ts';
import type { WatchSettings } from './watch-settings.ts';

export interface WatchOptions {
  readonly settings: WatchSettings;
  /** The agent's own folder. */
  readonly dataFolder: string;
  readonly engine: ContainerEngine & EngineStatsReader;
  /** Asked only once `start` was called. */
  agent(): Agent;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Watch {
  readonly stats: StatsSource;
  /** The checks of this machine, for its health. */
  machineHealth(): HealthDetail[];
  start(): void;
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
}

/** ECS publishes as often. */
const publishEveryMs = 20_000;

export function createWatch({ settings, dataFolder, engine, agent, clock, random, ...rest }: WatchOptions): Watch {
  const logger = rest.logger.child({ part: 'watch' });
  const reader = createCgroupReader({ clock });
  const everyMs = settings.statsIntervalMs;
  const sampler = createSampler({ tasks: () => agent().tasks(), engine, reader, clock, random, logger, everyMs });
  const publisher = createPublisher({
    sampler,
    send: (message) => agent().sendTelemetry(message),
    clock,
    everyMs: publishEveryMs,
  });
  const { limits } = settings;
  const health = createMachineHealth({ engine, dataFolder, looks: createMachineLooks(), limits, clock, logger });
  const server = settings.metrics && createMetricsServer({ ...settings.metrics, text: metricsText, clock, logger });

  function metricsText(): string {
    const { rss } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    return exposition({
      containers: sampler.containers(),
      tasks: agent().tasks(),
      host: sampler.host(),
      health: agent().health(),
      connected: agent().session().name === 'serving',
      process: { residentBytes: rss, cpuSeconds: (user + system) / 1e6 },
    });
  }

  return {
    stats: sampler,
    machineHealth: health.details,
    start() {
      sampler.start();
      publisher.start();
      health.start();
      server?.start();
    },
    async stop() {
      publisher.stop();
      await Promise.all([sampler.stop(), health.stop(), server?.stop()]);
    },
  };
}

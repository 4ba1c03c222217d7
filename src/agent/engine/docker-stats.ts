/** What a container uses, asked of the engine, and its words to ours. Engines leave out what the host does not count, and say null for empty lists. */
import { z } from 'zod';
import { parseIsoTime } from '#lib/iso-time.ts';
import type { Clock } from '#lib/clock.ts';
import type { BlockCounters, ContainerStats, InterfaceCounters } from '../stats/container-stats.ts';
import type { DockerConnection } from './docker-connection.ts';
import { hasStatus } from './docker-errors.ts';
import type { DockerTimeouts } from './docker-timeouts.ts';
import type { EngineStatsReader } from './engine-stats-reader.ts';

const count = z.number().nonnegative().default(0);

const InterfaceStats = z.object({
  rx_bytes: count,
  rx_packets: count,
  rx_errors: count,
  rx_dropped: count,
  tx_bytes: count,
  tx_packets: count,
  tx_errors: count,
  tx_dropped: count,
});

const BlockEntries = z
  .array(z.object({ major: z.number(), minor: z.number(), op: z.string(), value: z.number() }))
  .nullish();

const Stats = z.object({
  read: z.string(),
  pids_stats: z.object({ current: count }).default({ current: 0 }),
  cpu_stats: z.object({
    cpu_usage: z.object({ total_usage: count, usage_in_kernelmode: count, usage_in_usermode: count }),
    system_cpu_usage: count,
    online_cpus: count,
    throttling_data: z.object({ periods: count, throttled_periods: count, throttled_time: count }).optional(),
  }),
  memory_stats: z.object({
    usage: count,
    max_usage: z.number().optional(),
    limit: count,
    stats: z.record(z.string(), z.number()).default({}),
  }),
  networks: z.record(z.string(), InterfaceStats).optional(),
  blkio_stats: z
    .object({ io_service_bytes_recursive: BlockEntries, io_serviced_recursive: BlockEntries })
    .default({ io_service_bytes_recursive: null, io_serviced_recursive: null }),
});
type Stats = z.infer<typeof Stats>;

export interface DockerStatsOptions {
  readonly connection: DockerConnection;
  readonly timeouts: DockerTimeouts;
  readonly clock: Clock;
}

export function dockerStats({ connection: { call, get }, timeouts, clock }: DockerStatsOptions): EngineStatsReader {
  return {
    stats(idOrName, { signal } = {}) {
      const request = { what: `figures of container ${idOrName}`, ms: timeouts.statsMs, signal };
      // `one-shot` saves the engine the wait for a second sample, which it otherwise takes a second later for its own sake.
      const path = `/containers/${encodeURIComponent(idOrName)}/stats?stream=false&one-shot=true`;
      return call(request, async (abortSignal) => {
        try {
          return containerStatsOf(await get(path, abortSignal), clock.now());
        } catch (error) {
          if (hasStatus(error, 404)) return undefined;
          throw error;
        }
      });
    },
  };
}

/** The year of `read` when the container does not run; the figures are all 0 then. */
const never = '0001-';

/** Undefined when the container does not run. Throws a ZodError for what is no answer of a stats call. */
export function containerStatsOf(body: unknown, now: number): ContainerStats | undefined {
  const stats = Stats.parse(body);
  if (stats.read.startsWith(never)) return undefined;
  const { cpu_stats: cpu, memory_stats: memory } = stats;
  const isV1 = 'total_inactive_file' in memory.stats;
  return {
    readAt: parseIsoTime(stats.read) ?? now,
    cpu: {
      totalNs: cpu.cpu_usage.total_usage,
      userNs: cpu.cpu_usage.usage_in_usermode,
      kernelNs: cpu.cpu_usage.usage_in_kernelmode,
      hostNs: cpu.system_cpu_usage,
      onlineCpus: cpu.online_cpus,
      throttling: {
        periods: cpu.throttling_data?.periods ?? 0,
        throttledPeriods: cpu.throttling_data?.throttled_periods ?? 0,
        throttledNs: cpu.throttling_data?.throttled_time ?? 0,
      },
    },
    memory: {
      usageBytes: memory.usage,
      inactiveFileBytes: memory.stats['total_inactive_file'] ?? memory.stats['inactive_file'] ?? 0,
      limitBytes: memory.limit,
      ...(memory.max_usage !== undefined && { maxUsageBytes: memory.max_usage }),
      cgroupVersion: isV1 ? 1 : 2,
    },
    ...(stats.networks !== undefined && { networks: interfaces(stats.networks) }),
    block: blocks(stats.blkio_stats),
    pids: stats.pids_stats.current,
  };
}

function interfaces(networks: NonNullable<Stats['networks']>): Record<string, InterfaceCounters> {
  const named = Object.entries(networks).map(([name, one]): [string, InterfaceCounters] => [
    name,
    {
      rxBytes: one.rx_bytes,
      rxPackets: one.rx_packets,
      rxErrors: one.rx_errors,
      rxDropped: one.rx_dropped,
      txBytes: one.tx_bytes,
      txPackets: one.tx_packets,
      txErrors: one.tx_errors,
      txDropped: one.tx_dropped,
    },
  ]);
  return Object.fromEntries(named);
}

/** Version 1 engines write `Read`, version 2 ones `read`. */
function blocks({ io_service_bytes_recursive, io_serviced_recursive }: Stats['blkio_stats']): BlockCounters[] {
  const found = new Map<string, BlockCounters>();
  const add = (entries: z.infer<typeof BlockEntries>, names: Record<string, keyof BlockCounters>): void => {
    for (const { major, minor, op, value } of entries ?? []) {
      const name = names[op.toLowerCase()];
      if (name === undefined) continue;
      const key = `${major}:${minor}`;
      const known = found.get(key) ?? { major, minor, readBytes: 0, writeBytes: 0, reads: 0, writes: 0 };
      found.set(key, { ...known, [name]: value });
    }
  };
  add(io_service_bytes_recursive, { read: 'readBytes', write: 'writeBytes' });
  add(io_serviced_recursive, { read: 'reads', write: 'writes' });
  return [...found.values()];
}

/** Two samples of a container in the form of Docker's stats call. Pure. */
import { toIsoTime } from '#lib/iso-time.ts';
import type { BlockCounters, ContainerStats, InterfaceCounters } from './container-stats.ts';
import type { EngineBlockStats, EngineCpuStats, EngineNetworkStats, EngineStats } from './engine-stats.ts';
import type { Figures } from './figures.ts';

export interface ContainerIdentity {
  readonly engineId: string;
  readonly engineName: string;
}

const never = '0001-01-01T00:00:00Z';
const noCpu: EngineCpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

export function renderEngineStats({ latest, previous, rates }: Figures, container: ContainerIdentity): EngineStats {
  const { memory } = latest;
  const fileCache = memory.cgroupVersion === 1 ? 'total_inactive_file' : 'inactive_file';
  return {
    read: toIsoTime(latest.readAt),
    preread: previous === undefined ? never : toIsoTime(previous.readAt),
    num_procs: 0,
    pids_stats: { current: latest.pids },
    cpu_stats: renderCpu(latest),
    precpu_stats: previous === undefined ? noCpu : renderCpu(previous),
    memory_stats: {
      usage: memory.usageBytes,
      ...(memory.maxUsageBytes !== undefined && { max_usage: memory.maxUsageBytes }),
      stats: { [fileCache]: memory.inactiveFileBytes },
      limit: memory.limitBytes,
    },
    blkio_stats: {
      io_service_bytes_recursive: latest.block.flatMap((device) => [
        renderBlock(device, 'Read', device.readBytes),
        renderBlock(device, 'Write', device.writeBytes),
      ]),
      io_serviced_recursive: latest.block.flatMap((device) => [
        renderBlock(device, 'Read', device.reads),
        renderBlock(device, 'Write', device.writes),
      ]),
    },
    ...(latest.networks !== undefined && { networks: renderNetworks(latest.networks) }),
    storage_stats: {},
    name: `/${container.engineName}`,
    id: container.engineId,
    ...(latest.networks !== undefined &&
      rates !== undefined && {
        network_rate_stats: { rx_bytes_per_sec: rates.rxBytesPerSecond, tx_bytes_per_sec: rates.txBytesPerSecond },
      }),
  };
}

function renderCpu({ cpu }: ContainerStats): EngineCpuStats {
  return {
    cpu_usage: { total_usage: cpu.totalNs, usage_in_kernelmode: cpu.kernelNs, usage_in_usermode: cpu.userNs },
    system_cpu_usage: cpu.hostNs,
    online_cpus: cpu.onlineCpus,
    throttling_data: {
      periods: cpu.throttling.periods,
      throttled_periods: cpu.throttling.throttledPeriods,
      throttled_time: cpu.throttling.throttledNs,
    },
  };
}

function renderBlock({ major, minor }: BlockCounters, op: 'Read' | 'Write', value: number): EngineBlockStats {
  return { major, minor, op, value };
}

function renderNetworks(networks: Readonly<Record<string, InterfaceCounters>>): Record<string, EngineNetworkStats> {
  const rendered = Object.entries(networks).map(([name, one]): [string, EngineNetworkStats] => [
    name,
    {
      rx_bytes: one.rxBytes,
      rx_packets: one.rxPackets,
      rx_errors: one.rxErrors,
      rx_dropped: one.rxDropped,
      tx_bytes: one.txBytes,
      tx_packets: one.txPackets,
      tx_errors: one.txErrors,
      tx_dropped: one.txDropped,
    },
  ]);
  return Object.fromEntries(rendered);
}

/**
 * Reads a local container's figures out of the kernel, without the engine: some ten small files, a fraction of a millisecond, where an
 * engine's answer costs both daemons several (docs/metrics.md has the numbers). Reads are synchronous because these files never block.
 * Invariant: a process id is trusted only while its cgroup carries the container's id, so a reused one, or one of another machine, says nothing.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#lib/clock.ts';
import {
  blockCountersV1,
  blockCountersV2,
  cgroupMountsOf,
  cgroupPathsOf,
  hostCpuOf,
  hostMemoryOf,
  interfacesOf,
  keyedNumbers,
  oneNumber,
  type HostCpu,
  type HostMemory,
} from './cgroup-files.ts';
import type { BlockCounters, ContainerStats } from './container-stats.ts';

export interface LocalProcess {
  readonly containerId: string;
  /** Of the container's first process, in this machine's count. */
  readonly pid: number;
}

/** What all containers of one round share, so that it is read once. */
export interface HostReading extends HostCpu, HostMemory {}

export interface CgroupReader {
  /** Undefined where the kernel does not tell. */
  host(): HostReading | undefined;
  /** Undefined when the process has ended or is not this machine's: then the engine has to be asked. */
  read(process: LocalProcess, host: HostReading): ContainerStats | undefined;
}

export interface CgroupReaderOptions {
  readonly clock: Clock;
  /** `/proc`. */
  readonly procFolder?: string;
}

/** Ticks of `cpuacct.stat` are hundredths of a second. */
const nsPerTick = 10_000_000;

export function createCgroupReader({ clock, procFolder = '/proc' }: CgroupReaderOptions): CgroupReader {
  let mounts: ReadonlyMap<string, string> | undefined;
  let ownNetwork: string | undefined;

  function readV1(paths: ReadonlyMap<string, string>, process: LocalProcess, host: HostReading): ContainerStats {
    const file = (controller: string, name: string): string =>
      readText(join(mounts?.get(controller) ?? '/sys/fs/cgroup', paths.get(controller) ?? '', name));
    const times = keyedNumbers(file('cpuacct', 'cpuacct.stat'));
    const throttled = keyedNumbers(file('cpu', 'cpu.stat'));
    const memory = keyedNumbers(file('memory', 'memory.stat'));
    return {
      readAt: clock.now(),
      cpu: {
        totalNs: oneNumber(file('cpuacct', 'cpuacct.usage')),
        userNs: (times.get('user') ?? 0) * nsPerTick,
        kernelNs: (times.get('system') ?? 0) * nsPerTick,
        hostNs: host.totalNs,
        onlineCpus: host.cpus,
        throttling: {
          periods: throttled.get('nr_periods') ?? 0,
          throttledPeriods: throttled.get('nr_throttled') ?? 0,
          throttledNs: throttled.get('throttled_time') ?? 0,
        },
      },
      memory: {
        usageBytes: oneNumber(file('memory', 'memory.usage_in_bytes')),
        inactiveFileBytes: memory.get('total_inactive_file') ?? 0,
        limitBytes: Math.min(memory.get('hierarchical_memory_limit') ?? Infinity, host.totalBytes),
        maxUsageBytes: oneNumber(file('memory', 'memory.max_usage_in_bytes')),
        cgroupVersion: 1,
      },
      ...networksOf(process),
      block: blocksV1(file),
      pids: oneNumber(file('pids', 'pids.current')),
    };
  }

  function readV2(path: string, process: LocalProcess, host: HostReading): ContainerStats {
    const file = (name: string): string => readText(join(mounts?.get('') ?? '/sys/fs/cgroup', path, name));
    const times = keyedNumbers(file('cpu.stat'));
    const memory = keyedNumbers(file('memory.stat'));
    return {
      readAt: clock.now(),
      cpu: {
        totalNs: (times.get('usage_usec') ?? 0) * 1000,
        userNs: (times.get('user_usec') ?? 0) * 1000,
        kernelNs: (times.get('system_usec') ?? 0) * 1000,
        hostNs: host.totalNs,
        onlineCpus: host.cpus,
        throttling: {
          periods: times.get('nr_periods') ?? 0,
          throttledPeriods: times.get('nr_throttled') ?? 0,
          throttledNs: (times.get('throttled_usec') ?? 0) * 1000,
        },
      },
      memory: {
        usageBytes: oneNumber(file('memory.current')),
        inactiveFileBytes: memory.get('inactive_file') ?? 0,
        limitBytes: Math.min(oneNumber(file('memory.max')), host.totalBytes),
        cgroupVersion: 2,
      },
      ...networksOf(process),
      block: blockCountersV2(unlessMissing(() => file('io.stat')) ?? ''),
      pids: oneNumber(file('pids.current')),
    };
  }

  function networksOf({ pid }: LocalProcess): Pick<ContainerStats, 'networks'> {
    ownNetwork ??= readlinkSync(join(procFolder, 'self/ns/net'));
    const isHosts = readlinkSync(join(procFolder, String(pid), 'ns/net')) === ownNetwork;
    return isHosts ? {} : { networks: interfacesOf(readText(join(procFolder, String(pid), 'net/dev'))) };
  }

  return {
    host: () =>
      unlessMissing(() => ({
        ...hostCpuOf(readText(join(procFolder, 'stat'))),
        ...hostMemoryOf(readText(join(procFolder, 'meminfo'))),
      })),
    read(process, host) {
      return unlessMissing(() => {
        mounts ??= cgroupMountsOf(readText(join(procFolder, 'self/mountinfo')));
        const paths = cgroupPathsOf(readText(join(procFolder, String(process.pid), 'cgroup')));
        const v1 = paths.get('memory');
        const path = v1 ?? paths.get('');
        if (path === undefined || !path.includes(process.containerId)) return undefined;
        return v1 === undefined ? readV2(path, process, host) : readV1(paths, process, host);
      });
    },
  };
}

/** The throttle files are always there; a scheduler's own are not. */
function blocksV1(file: (controller: string, name: string) => string): BlockCounters[] {
  const bytes = unlessMissing(() => file('blkio', 'blkio.throttle.io_service_bytes_recursive'));
  const operations = unlessMissing(() => file('blkio', 'blkio.throttle.io_serviced_recursive'));
  return blockCountersV1(bytes ?? '', operations ?? '');
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}

/** The process or its cgroup went away between two reads, or this machine has no such file, or it is not ours to read. */
const absences: readonly unknown[] = ['ENOENT', 'ESRCH', 'ENODEV', 'EACCES', 'EPERM', 'ENOTDIR'];

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && 'code' in error && absences.includes(error.code)) return undefined;
    throw error;
  }
}

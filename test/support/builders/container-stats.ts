/** Figures of containers as an engine or the kernel tells them. */
import type { ContainerStats } from '#agent/stats/container-stats.ts';

export function idleStats(readAt: number, changes: Partial<ContainerStats> = {}): ContainerStats {
  return {
    readAt,
    cpu: {
      totalNs: 0,
      userNs: 0,
      kernelNs: 0,
      hostNs: readAt * 2_000_000,
      onlineCpus: 2,
      throttling: { periods: 0, throttledPeriods: 0, throttledNs: 0 },
    },
    memory: { usageBytes: 1_000_000, inactiveFileBytes: 0, limitBytes: 8_000_000, cgroupVersion: 2 },
    networks: {},
    block: [],
    pids: 1,
    ...changes,
  };
}

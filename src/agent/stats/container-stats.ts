/** What a running container has used, at one moment. All counters are since its start, in this engine's or kernel's own count. */

export interface InterfaceCounters {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

export interface BlockCounters {
  readonly major: number;
  readonly minor: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly reads: number;
  readonly writes: number;
}

export interface ContainerStats {
  /** Epoch milliseconds. */
  readonly readAt: number;
  readonly cpu: {
    /** Nanoseconds of processor time, all processors together. */
    readonly totalNs: number;
    readonly userNs: number;
    readonly kernelNs: number;
    /** Of the whole host, idle time included: the measure that `docker stats` divides by. */
    readonly hostNs: number;
    readonly onlineCpus: number;
    readonly throttling: { readonly periods: number; readonly throttledPeriods: number; readonly throttledNs: number };
  };
  readonly memory: {
    /** With the page cache. */
    readonly usageBytes: number;
    /** The part of the page cache that the kernel can drop at once. */
    readonly inactiveFileBytes: number;
    /** The host's memory when the container has no limit. */
    readonly limitBytes: number;
    /** cgroup v1 only. */
    readonly maxUsageBytes?: number;
    readonly cgroupVersion: 1 | 2;
  };
  /** By interface, without loopback; absent when the container has no network of its own (host mode). */
  readonly networks?: Readonly<Record<string, InterfaceCounters>>;
  readonly block: readonly BlockCounters[];
  readonly pids: number;
}

/** As the docker command shows it: without the page cache that can be dropped. */
export function workingSetBytes({ memory: { usageBytes, inactiveFileBytes } }: ContainerStats): number {
  return inactiveFileBytes < usageBytes ? usageBytes - inactiveFileBytes : usageBytes;
}

export const noTraffic: InterfaceCounters = {
  rxBytes: 0,
  rxPackets: 0,
  rxErrors: 0,
  rxDropped: 0,
  txBytes: 0,
  txPackets: 0,
  txErrors: 0,
  txDropped: 0,
};

/** All interfaces together. */
export function traffic({ networks = {} }: ContainerStats): InterfaceCounters {
  let sum = noTraffic;
  for (const one of Object.values(networks)) {
    sum = {
      rxBytes: sum.rxBytes + one.rxBytes,
      rxPackets: sum.rxPackets + one.rxPackets,
      rxErrors: sum.rxErrors + one.rxErrors,
      rxDropped: sum.rxDropped + one.rxDropped,
      txBytes: sum.txBytes + one.txBytes,
      txPackets: sum.txPackets + one.txPackets,
      txErrors: sum.txErrors + one.txErrors,
      txDropped: sum.txDropped + one.txDropped,
    };
  }
  return sum;
}

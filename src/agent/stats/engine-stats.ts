/**
 * Figures of a container in the form of Docker's `GET /containers/{id}/stats`, as ecs-agent answers them on `/stats` and `/task/stats`, with
 * its addition `network_rate_stats`. Counters are the engine's own: they begin anew with each start of the container.
 */

export interface EngineStats {
  /** ISO 8601: when this sample and the one before it were read; `0001-01-01T00:00:00Z` when there was none before. */
  readonly read: string;
  readonly preread: string;
  readonly num_procs: 0;
  readonly pids_stats: { readonly current: number };
  readonly cpu_stats: EngineCpuStats;
  readonly precpu_stats: EngineCpuStats;
  readonly memory_stats: {
    readonly usage: number;
    readonly max_usage?: number;
    /** Holds `total_inactive_file` (cgroup v1) or `inactive_file` (v2), which is what the docker command subtracts from `usage`. */
    readonly stats: Readonly<Record<string, number>>;
    readonly limit: number;
  };
  readonly blkio_stats: {
    readonly io_service_bytes_recursive: readonly EngineBlockStats[];
    readonly io_serviced_recursive: readonly EngineBlockStats[];
  };
  /** By interface; absent for a container without a network of its own. */
  readonly networks?: Readonly<Record<string, EngineNetworkStats>>;
  readonly storage_stats: Readonly<Record<string, never>>;
  readonly name: string;
  readonly id: string;
  /** Absent before the second sample and for a container without a network of its own. */
  readonly network_rate_stats?: { readonly rx_bytes_per_sec: number; readonly tx_bytes_per_sec: number };
}

export interface EngineCpuStats {
  /** Nanoseconds. */
  readonly cpu_usage: {
    readonly total_usage: number;
    readonly usage_in_kernelmode: number;
    readonly usage_in_usermode: number;
  };
  /** Nanoseconds of all processors of the host, idle time included. */
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
  readonly throttling_data: {
    readonly periods: number;
    readonly throttled_periods: number;
    readonly throttled_time: number;
  };
}

export interface EngineBlockStats {
  readonly major: number;
  readonly minor: number;
  /** `Read` or `Write`. */
  readonly op: string;
  readonly value: number;
}

export interface EngineNetworkStats {
  readonly rx_bytes: number;
  readonly rx_packets: number;
  readonly rx_errors: number;
  readonly rx_dropped: number;
  readonly tx_bytes: number;
  readonly tx_packets: number;
  readonly tx_errors: number;
  readonly tx_dropped: number;
}

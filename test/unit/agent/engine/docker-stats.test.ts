/** Answers of the stats call as Docker 20.10 (cgroup v1) and 26.1 (cgroup v2) give them, shortened. */
import { describe, expect, it } from 'vitest';
import { containerStatsOf } from '#agent/engine/docker-stats.ts';

const network = {
  rx_bytes: 310,
  rx_packets: 3,
  rx_errors: 0,
  rx_dropped: 0,
  tx_bytes: 42,
  tx_packets: 1,
  tx_errors: 0,
  tx_dropped: 0,
};

const version20 = {
  read: '2026-11-20T22:07:56.281497188Z',
  preread: '0001-01-01T00:00:00Z',
  pids_stats: { current: 1 },
  blkio_stats: {
    io_service_bytes_recursive: [
      { major: 254, minor: 0, op: 'Read', value: 4096 },
      { major: 254, minor: 0, op: 'Write', value: 0 },
      { major: 254, minor: 0, op: 'Total', value: 4096 },
    ],
    io_serviced_recursive: [{ major: 254, minor: 0, op: 'Read', value: 1 }],
  },
  num_procs: 0,
  storage_stats: {},
  cpu_stats: {
    cpu_usage: {
      total_usage: 22_414_183,
      percpu_usage: [15_099_605, 7_314_578],
      usage_in_kernelmode: 0,
      usage_in_usermode: 10_000_000,
    },
    system_cpu_usage: 9_454_650_000_000,
    online_cpus: 2,
    throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
  },
  precpu_stats: { cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 } },
  memory_stats: {
    usage: 2_420_736,
    max_usage: 3_829_760,
    stats: { total_inactive_file: 1_982_464, hierarchical_memory_limit: 9_223_372_036_854_771_712 },
    limit: 25_276_502_016,
  },
  name: '/web',
  id: 'c0ffee',
  networks: { eth0: network },
};

const version26 = {
  ...version20,
  blkio_stats: {
    io_service_bytes_recursive: [
      { major: 8, minor: 0, op: 'read', value: 512 },
      { major: 8, minor: 0, op: 'write', value: 1024 },
    ],
    io_serviced_recursive: null,
  },
  memory_stats: { usage: 1_000_000, stats: { anon: 1, inactive_file: 400_000 }, limit: 2_000_000 },
};

describe('the answer of an engine', () => {
  it('on cgroup v1', () => {
    expect(containerStatsOf(version20, 0)).toMatchObject({
      readAt: Date.UTC(2026, 10, 20, 22, 7, 56, 281),
      cpu: { totalNs: 22_414_183, userNs: 10_000_000, hostNs: 9_454_650_000_000, onlineCpus: 2 },
      memory: { usageBytes: 2_420_736, inactiveFileBytes: 1_982_464, maxUsageBytes: 3_829_760, cgroupVersion: 1 },
      networks: { eth0: { rxBytes: 310, rxPackets: 3, txBytes: 42 } },
      block: [{ major: 254, minor: 0, readBytes: 4096, writeBytes: 0, reads: 1, writes: 0 }],
      pids: 1,
    });
  });

  it('on cgroup v2, where lists may be null', () => {
    expect(containerStatsOf(version26, 0)).toMatchObject({
      memory: { usageBytes: 1_000_000, inactiveFileBytes: 400_000, limitBytes: 2_000_000, cgroupVersion: 2 },
      block: [{ major: 8, minor: 0, readBytes: 512, writeBytes: 1024, reads: 0, writes: 0 }],
    });
  });

  it('about a container without a network of its own', () => {
    const { networks: _, ...hostMode } = version20;
    expect(containerStatsOf(hostMode, 0)).not.toHaveProperty('networks');
  });

  it('about a container that does not run is none', () => {
    const stopped = {
      read: '0001-01-01T00:00:00Z',
      preread: '0001-01-01T00:00:00Z',
      pids_stats: {},
      blkio_stats: { io_service_bytes_recursive: null, io_serviced_recursive: null },
      cpu_stats: { cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 } },
      memory_stats: {},
    };
    expect(containerStatsOf(stopped, 0)).toBeUndefined();
  });
});

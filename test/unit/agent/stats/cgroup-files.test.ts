/** Texts as kernels 5.10, 6.1 and 6.18 write them. */
import { describe, expect, it } from 'vitest';
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
} from '#agent/stats/cgroup-files.ts';

it('a number, and no limit in both versions', () => {
  expect(oneNumber('22414183\n')).toBe(22_414_183);
  expect(oneNumber('max\n')).toBe(Infinity);
  expect(oneNumber('9223372036854771712\n')).toBe(Infinity);
});

it('lines of a name and a number', () => {
  const cpuStat =
    'usage_usec 52410\nuser_usec 31000\nsystem_usec 21410\nnr_periods 10\nnr_throttled 2\nthrottled_usec 9000\n';
  expect(Object.fromEntries(keyedNumbers(cpuStat))).toEqual({
    usage_usec: 52_410,
    user_usec: 31_000,
    system_usec: 21_410,
    nr_periods: 10,
    nr_throttled: 2,
    throttled_usec: 9000,
  });
});

it('the interfaces of a process, without loopback', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     340       4    0    0    0     0          0         0      340       4    0    0    0     0       0          0
  eth0:    1086      13    1    2    0     0          0         0      426       5    3    4    0     0       0          0
`;
  expect(interfacesOf(text)).toEqual({
    eth0: {
      rxBytes: 1086,
      rxPackets: 13,
      rxErrors: 1,
      rxDropped: 2,
      txBytes: 426,
      txPackets: 5,
      txErrors: 3,
      txDropped: 4,
    },
  });
});

describe('block devices', () => {
  const device = { major: 254, minor: 0, readBytes: 4096, writeBytes: 8192, reads: 1, writes: 2 };

  it('of version 1 are two files of operations', () => {
    const bytes =
      '254:0 Read 4096\n254:0 Write 8192\n254:0 Sync 12288\n254:0 Async 0\n254:0 Total 12288\nTotal 12288\n';
    const operations = '254:0 Read 1\n254:0 Write 2\n254:0 Sync 3\n254:0 Total 3\nTotal 3\n';
    expect(blockCountersV1(bytes, operations)).toEqual([device]);
    expect(blockCountersV1('Total 0\n', '')).toEqual([]);
  });

  it('of version 2 are lines of pairs', () => {
    expect(blockCountersV2('254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n')).toEqual([device]);
    expect(blockCountersV2('')).toEqual([]);
  });
});

it('the processors of the host, as the engine counts them', () => {
  const text = 'cpu  255700 0 122998 585761 5713 0 2747 770 0 0\ncpu0 1 0 0 0\ncpu1 1 0 0 0\nintr 1\n';
  expect(hostCpuOf(text)).toEqual({
    totalNs: (255_700 + 122_998 + 585_761 + 5713 + 2747) * 10_000_000,
    idleNs: (585_761 + 5713) * 10_000_000,
    cpus: 2,
  });
});

it('the memory of the host', () => {
  const text = 'MemTotal:       24684084 kB\nMemFree:        20000000 kB\nMemAvailable:   23658428 kB\n';
  expect(hostMemoryOf(text)).toEqual({ totalBytes: 24_684_084 * 1024, availableBytes: 23_658_428 * 1024 });
});

describe('where the files are', () => {
  it('on a host of version 1, two controllers in one hierarchy included', () => {
    const mounts = cgroupMountsOf(
      [
        '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
        '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct',
        '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw',
      ].join('\n'),
    );
    expect(mounts.get('cpuacct')).toBe('/sys/fs/cgroup/cpu,cpuacct');
    expect(mounts.get('')).toBe('/sys/fs/cgroup/unified');
    const paths = cgroupPathsOf('4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/docker/abc\n');
    expect([paths.get('memory'), paths.get('cpuacct')]).toEqual(['/docker/abc', '/docker/abc']);
  });

  it('on a host of version 2', () => {
    const paths = cgroupPathsOf('0::/system.slice/docker-abc.scope\n');
    expect(paths.get('')).toBe('/system.slice/docker-abc.scope');
    expect(paths.has('memory')).toBe(false);
  });
});

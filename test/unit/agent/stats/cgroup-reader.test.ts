/** A made-up `/proc` and cgroup tree, as a host with cgroup v2 and as one with v1 have them. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createCgroupReader, type CgroupReader } from '#agent/stats/cgroup-reader.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const containerId = 'c0ffee'.repeat(10);
const pid = 4711;
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'berth-cgroup-'));
  write('proc/stat', 'cpu  100 0 50 850 0 0 0 0 0 0\ncpu0 0\ncpu1 0\n');
  write('proc/meminfo', 'MemTotal: 1000 kB\nMemAvailable: 600 kB\n');
  write(`proc/${pid}/net/dev`, 'head\nhead\n  eth0: 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0\n');
  namespace('self', 'net:[1]');
  namespace(String(pid), 'net:[2]');
});
afterEach(() => rmSync(root, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function namespace(process: string, name: string): void {
  const path = join(root, 'proc', process, 'ns/net');
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(name, path);
}

function reader(): CgroupReader {
  return createCgroupReader({ clock: new ManualClock(), procFolder: join(root, 'proc') });
}

function read() {
  const files = reader();
  const host = files.host();
  if (host === undefined) throw new Error('the host was not read');
  return files.read({ containerId, pid }, host);
}

function hostOfVersion2(): void {
  const scope = `system.slice/docker-${containerId}.scope`;
  write('proc/self/mountinfo', `30 23 0:26 / ${root}/cgroup rw shared:4 - cgroup2 cgroup2 rw\n`);
  write(`proc/${pid}/cgroup`, `0::/${scope}\n`);
  write(
    `cgroup/${scope}/cpu.stat`,
    'usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnr_periods 4\nnr_throttled 1\nthrottled_usec 7\n',
  );
  write(`cgroup/${scope}/memory.current`, '4096\n');
  write(`cgroup/${scope}/memory.max`, 'max\n');
  write(`cgroup/${scope}/memory.stat`, 'anon 1024\ninactive_file 2048\n');
  write(`cgroup/${scope}/pids.current`, '3\n');
}

it('reads a container on cgroup v2, where a file that the host lacks counts as nothing', () => {
  hostOfVersion2();
  expect(read()).toMatchObject({
    cpu: {
      totalNs: 5_000_000,
      userNs: 3_000_000,
      kernelNs: 2_000_000,
      hostNs: 10_000_000_000,
      onlineCpus: 2,
      throttling: { periods: 4, throttledPeriods: 1, throttledNs: 7000 },
    },
    memory: { usageBytes: 4096, inactiveFileBytes: 2048, limitBytes: 1000 * 1024, cgroupVersion: 2 },
    networks: { eth0: { rxBytes: 10, txBytes: 20 } },
    block: [],
    pids: 3,
  });
});

it('reads a container on cgroup v1', () => {
  const controllers = ['cpu', 'cpuacct', 'memory', 'pids', 'blkio'];
  write(
    'proc/self/mountinfo',
    controllers.map((name) => `32 31 0:29 / ${root}/cgroup/${name} rw - cgroup cgroup rw,${name}\n`).join(''),
  );
  write(`proc/${pid}/cgroup`, controllers.map((name, n) => `${n}:${name}:/docker/${containerId}\n`).join(''));
  write(`cgroup/cpuacct/docker/${containerId}/cpuacct.usage`, '22414183\n');
  write(`cgroup/cpuacct/docker/${containerId}/cpuacct.stat`, 'user 1\nsystem 2\n');
  write(`cgroup/cpu/docker/${containerId}/cpu.stat`, 'nr_periods 0\nnr_throttled 0\nthrottled_time 0\n');
  write(`cgroup/memory/docker/${containerId}/memory.usage_in_bytes`, '8192\n');
  write(`cgroup/memory/docker/${containerId}/memory.max_usage_in_bytes`, '9000\n');
  write(
    `cgroup/memory/docker/${containerId}/memory.stat`,
    'hierarchical_memory_limit 16384\ntotal_inactive_file 4096\n',
  );
  write(`cgroup/pids/docker/${containerId}/pids.current`, '1\n');
  write(`cgroup/blkio/docker/${containerId}/blkio.throttle.io_service_bytes_recursive`, '8:0 Read 512\nTotal 512\n');
  expect(read()).toMatchObject({
    cpu: { totalNs: 22_414_183, userNs: 10_000_000, kernelNs: 20_000_000 },
    memory: { usageBytes: 8192, inactiveFileBytes: 4096, limitBytes: 16_384, maxUsageBytes: 9000, cgroupVersion: 1 },
    block: [{ major: 8, minor: 0, readBytes: 512 }],
    pids: 1,
  });
});

it('counts no network for a container that uses the host’s', () => {
  hostOfVersion2();
  rmSync(join(root, `proc/${pid}/ns/net`));
  namespace(String(pid), 'net:[1]');
  expect(read()).not.toHaveProperty('networks');
});

it('says nothing of a process id that belongs to something else by now', () => {
  hostOfVersion2();
  write(`proc/${pid}/cgroup`, '0::/system.slice/sshd.service\n');
  expect(read()).toBeUndefined();
});

it('says nothing when the process is gone', () => {
  hostOfVersion2();
  rmSync(join(root, `proc/${pid}`), { recursive: true });
  expect(read()).toBeUndefined();
});

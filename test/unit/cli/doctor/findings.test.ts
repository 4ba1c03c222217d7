import { describe, expect, it } from 'vitest';
import { isBroken, judge, type Finding, type Observations } from '#cli/doctor/findings.ts';

const well: Observations = {
  roles: ['control', 'agent'],
  kernel: { release: '6.1.0-26-amd64', missing: [] },
  cgroups: { version: 2, controllers: ['cpuset', 'cpu', 'io', 'memory', 'pids'] },
  ports: [{ port: 4566, what: 'control', role: 'control', use: 'free' }],
  engine: { ok: true, value: { version: '26.1.5', apiVersion: '1.45' } },
  control: { ok: true, value: { url: 'https://10.0.0.5:4567', clockAheadMs: -900, overTls: true } },
  names: { ok: true, value: { asked: '10.0.0.5', ms: 2 } },
  mtu: { uplink: { name: 'eth0', mtu: 1500 }, bridge: { name: 'docker0', mtu: 1500 } },
  disk: { ok: true, value: { folder: '/var/lib/berth', fsyncMs: 4, freeMiB: 20_000 } },
  certificate: { ok: true, value: { daysLeft: 29.5 } },
};

function of(change: Partial<Observations>, check: string): Finding {
  const finding = judge({ ...well, ...change }).find((each) => each.check === check);
  if (finding === undefined) throw new Error(`nothing is said about ${check}`);
  return finding;
}

describe('a machine that is well', () => {
  it('has nothing to fix', () => {
    const findings = judge(well);
    expect(findings.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
    expect(findings.filter(({ fix }) => fix !== undefined)).toEqual([]);
    expect(isBroken(findings)).toBe(false);
    expect(findings.length).toBeGreaterThan(9);
  });

  it('is not asked for an engine when it is to run control alone', () => {
    const checks = judge({ ...well, roles: ['control'] }).map(({ check }) => check);
    expect(checks).not.toContain('Docker Engine');
    expect(checks).toContain('port 4566');
  });
});

describe('what is not well has a verdict and a fix', () => {
  it.each<[string, Partial<Observations>, Finding['verdict'], RegExp]>([
    ['kernel', { kernel: { release: '4.9.0', missing: [] } }, 'warning', /tested from kernel 4\.18/],
    ['kernel', { kernel: { release: '6.1.0', missing: ['overlay file systems'] } }, 'broken', /modprobe/],
    ['control groups', { cgroups: { version: undefined, controllers: [] } }, 'broken', /sys\/fs\/cgroup/],
    ['control groups', { cgroups: { version: 2, controllers: ['cpu', 'pids'] } }, 'broken', /cgroup_enable=memory/],
    ['Docker Engine', { engine: { ok: false, because: 'connect ENOENT' } }, 'broken', /install\.sh --engine/],
    ['Docker Engine', { engine: { ok: true, value: { version: '19.03', apiVersion: '1.40' } } }, 'broken', /20\.10/],
    [
      'port 4566',
      { ports: [{ port: 4566, what: 'control', role: 'control', use: 'taken' }] },
      'broken',
      /ss -ltnp 'sport = :4566'/,
    ],
    [
      'MTU',
      { mtu: { uplink: { name: 'wg0', mtu: 1420 }, bridge: { name: 'docker0', mtu: 1500 } } },
      'warning',
      /"mtu": 1420/,
    ],
    ['MTU', { mtu: {} }, 'warning', /is that meant/],
    ['DNS', { names: { ok: false, because: 'getaddrinfo ENOTFOUND berth.lan' } }, 'broken', /resolv\.conf/],
    ['DNS', { names: { ok: true, value: { asked: 'berth.lan', ms: 5010 } } }, 'warning', /does not answer in time/],
    ['control', { control: { ok: false, because: 'connect ECONNREFUSED' } }, 'broken', /berth-control/],
    [
      'clock',
      { control: { ok: true, value: { url: 'http://c', clockAheadMs: 20_000, overTls: false } } },
      'warning',
      /chrony/,
    ],
    [
      'clock',
      { control: { ok: true, value: { url: 'http://c', clockAheadMs: -400_000, overTls: false } } },
      'broken',
      /chrony/,
    ],
    ['certificate', { certificate: { ok: true, value: { daysLeft: 5 } } }, 'warning', /should have been renewed/],
    ['certificate', { certificate: { ok: true, value: { daysLeft: -1 } } }, 'broken', /join anew/],
    [
      'disk fsync',
      { disk: { ok: true, value: { folder: '/d', fsyncMs: 80, freeMiB: 9000 } } },
      'warning',
      /another disk/,
    ],
    ['disk space', { disk: { ok: true, value: { folder: '/d', fsyncMs: 1, freeMiB: 100 } } }, 'warning', /system df/],
    ['disk', { disk: { ok: false, because: 'EACCES' } }, 'warning', /as root/],
  ])('%s', (check, change, verdict, fix) => {
    const finding = of(change, check);
    expect(finding.verdict).toBe(verdict);
    expect(finding.fix).toMatch(fix);
    expect(isBroken([finding])).toBe(verdict === 'broken');
  });

  it('says by how much a clock is wrong, and which way', () => {
    const control = (clockAheadMs: number) =>
      ({ ok: true, value: { url: 'http://c', clockAheadMs, overTls: false } }) as const;
    expect(of({ control: control(90_000) }, 'clock').found).toBe('90 s behind control');
    expect(of({ control: control(-90_000) }, 'clock').found).toBe('90 s ahead of control');
  });
});

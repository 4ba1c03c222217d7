/** That every field of a ContainerSpec arrives: seen from inside the container where it can be, else in the engine's own inspection. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createDockerEngine } from '#agent/engine/docker.ts';
import type { ContainerSpec } from '#agent/tasks/container-spec.ts';
import { deadline, systemClock } from '#lib/clock.ts';
import { containerSpec } from '#test/support/container-specs.ts';
import { programs } from '#test/support/container-programs.ts';
import { openDockerTestEngine, testLabel, type DockerTestEngine } from '#test/support/docker-test-engine.ts';
import { testImage } from '#test/support/test-images.ts';

const mebibyte = 1024 * 1024;
let under: DockerTestEngine;
let made = 0;

beforeAll(async () => {
  under = await openDockerTestEngine();
});
afterEach(() => under.cleanUp());
afterAll(() => under.close());

function specOf(overrides: Partial<ContainerSpec>): ContainerSpec {
  return containerSpec({
    name: `${under.run}-${++made}`,
    image: testImage,
    ...overrides,
    labels: { ...overrides.labels, [testLabel]: under.run },
  });
}

/** Runs a shell script to its end and gives what it printed. */
async function output(script: string, overrides: Partial<ContainerSpec> = {}): Promise<string> {
  const id = await under.engine.create(specOf({ command: ['/bin/sh', '-c', script], ...overrides }));
  await under.engine.start(id);
  const { signal } = new AbortController();
  const entries = Array.fromAsync(under.engine.logs(id, { follow: true, signal }));
  return (await deadline(systemClock, 30_000, script, entries)).map(({ text }) => text).join('\n');
}

/** What the engine says of a container that was only created. */
async function inspection(overrides: Partial<ContainerSpec>): Promise<Docker.ContainerInspectInfo> {
  const id = await under.engine.create(specOf({ command: ['/bin/true'], ...overrides }));
  const socketPath = under.dockerHost.slice('unix://'.length);
  return new Docker({ socketPath, host: '' }).getContainer(id).inspect();
}

describe('inside the container', () => {
  test('environment, working directory, user, host name', async () => {
    const printed = await output('echo "$A $B"; pwd; id -u; hostname', {
      environment: ['A=one', 'B=two=three'],
      workingDirectory: '/tmp',
      user: 'guest',
      hostname: 'inner',
    });
    expect(printed).toBe('one two=three\n/tmp\n1000\ninner');
  });

  test('entry point and command', async () => {
    expect(await output('', { entryPoint: ['/bin/echo', 'entry'], command: ['and', 'command'] })).toBe(
      'entry and command',
    );
  });

  test('limits of memory, of files, and the cpu share', async () => {
    const { HostConfig: host } = await inspection({
      memoryBytes: 48 * mebibyte,
      memoryReservationBytes: 16 * mebibyte,
      memorySwapBytes: 64 * mebibyte,
      memorySwappiness: 10,
      cpuShares: 77,
      sharedMemoryBytes: 8 * mebibyte,
    });
    expect(host).toMatchObject({
      Memory: 48 * mebibyte,
      MemoryReservation: 16 * mebibyte,
      MemorySwap: 64 * mebibyte,
      MemorySwappiness: 10,
      CpuShares: 77,
      ShmSize: 8 * mebibyte,
      RestartPolicy: { Name: 'no' },
    });
    const printed = await output('ulimit -n; ulimit -Hn; df -k /dev/shm | tail -1 | awk "{print \\$2}"', {
      ulimits: [{ name: 'nofile', soft: 100, hard: 200 }],
      sharedMemoryBytes: 8 * mebibyte,
    });
    expect(printed).toBe('100\n200\n8192');
  });

  test('capabilities', async () => {
    const effective = 'grep CapEff /proc/self/status';
    const [plain, less] = await Promise.all([
      output(effective),
      output(effective, { capDrop: ['ALL'], capAdd: ['NET_ADMIN'] }),
    ]);
    expect(plain).not.toBe(less);
    expect(less).toMatch(/0000000000001000$/);
  });

  test('sysctls, extra hosts, name servers', async () => {
    const printed = await output('cat /proc/sys/net/core/somaxconn; grep box /etc/hosts; cat /etc/resolv.conf', {
      sysctls: { 'net.core.somaxconn': '99' },
      extraHosts: ['box:192.0.2.7'],
      dnsServers: ['192.0.2.53'],
      dnsSearchDomains: ['corp.example'],
    });
    expect(printed).toMatch(/^99\n192\.0\.2\.7\s+box\n/);
    expect(printed).toContain('nameserver 192.0.2.53');
    expect(printed).toContain('search corp.example');
  });

  test('an init process, a terminal, a root that cannot be written', async () => {
    expect(await output('cat /proc/1/comm', { init: true })).toMatch(/init/);
    expect(await output('test -t 1 && echo terminal', { tty: true })).toBe('terminal');
    expect(await output('touch /x 2>/dev/null || echo refused', { readonlyRootFilesystem: true })).toContain('refused');
  });

  test('a tmpfs with its options, and a device', async () => {
    const mounts = [
      {
        kind: 'tmpfs' as const,
        target: '/scratch',
        readOnly: false,
        tmpfsSizeBytes: mebibyte,
        tmpfsOptions: ['noexec'],
      },
    ];
    expect(await output('grep /scratch /proc/mounts', { mounts })).toMatch(/tmpfs .*noexec.*size=1024k/);
    const devices = [{ hostPath: '/dev/zero', containerPath: '/dev/nothing', permissions: 'r' }];
    expect(await output('head -c 3 /dev/nothing | wc -c', { devices })).toBe('3');
  });

  test('networks: the host’s, none, and links to other containers', async () => {
    expect(await output('ls /sys/class/net', { network: 'none' })).toBe('lo');
    const hosts = (await readFile('/proc/net/dev', 'utf8')).split('\n').length;
    expect((await output('cat /proc/net/dev', { network: 'host' })).split('\n').length).toBe(hosts - 1);
    const other = specOf({ command: programs.serves.command });
    await under.engine.start(await under.engine.create(other));
    expect(await output('grep -c database /etc/hosts', { links: [`${other.name}:database`] })).toBe('1');
  });
});

describe('mounts', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'berth-mounts-'));
    await writeFile(join(folder, 'greeting'), 'hello\n');
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('of host folders, writable or not; a missing one is made', async () => {
    const mounts = [
      { kind: 'bind' as const, source: folder, target: '/in', readOnly: true },
      { kind: 'bind' as const, source: join(folder, 'made'), target: '/out', readOnly: false },
    ];
    const printed = await output(
      'cat /in/greeting; touch /in/x 2>/dev/null || echo refused; echo written > /out/file',
      { mounts },
    );
    expect(printed).toBe('hello\nrefused');
    expect(await readFile(join(folder, 'made/file'), 'utf8')).toBe('written\n');
  });

  test('of a host folder with a colon in its name', async () => {
    const odd = await mkdtemp(join(folder, 'a:b-'));
    await writeFile(join(odd, 'greeting'), 'odd\n');
    const mounts = [{ kind: 'bind' as const, source: odd, target: '/in', readOnly: true }];
    expect(await output('cat /in/greeting', { mounts })).toBe('odd');
  });

  test('of named volumes, shared and taken from other containers', async () => {
    const source = `${under.run}-shared`;
    const mounts = [{ kind: 'volume' as const, source, target: '/data', readOnly: false }];
    const writer = specOf({ command: ['/bin/sh', '-c', 'echo kept > /data/file; exec sleep 60'], mounts });
    await under.engine.start(await under.engine.create(writer));
    await output('until test -s /data/file; do sleep 0.1; done', { mounts });
    expect(
      await output('cat /data/file; touch /data/x 2>/dev/null || echo refused', { volumesFrom: [`${writer.name}:ro`] }),
    ).toMatch(/^kept\n[^]*refused$/);
    await under.cleanUp();
    await under.engine.removeVolume(source);
  });

  test('without a name go with their container', async () => {
    const id = await under.engine.create(
      specOf({ command: ['/bin/true'], mounts: [{ kind: 'volume', target: '/data', readOnly: false }] }),
    );
    const socketPath = under.dockerHost.slice('unix://'.length);
    const { Mounts } = await new Docker({ socketPath, host: '' }).getContainer(id).inspect();
    const name = Mounts[0]?.Name ?? '';
    expect(await under.engine.inspectVolume(name)).toBeDefined();
    await under.engine.remove(id);
    expect(await under.engine.inspectVolume(name)).toBeUndefined();
  });
});

test('what cannot be seen from inside', async () => {
  const { Config: config, HostConfig: host } = await inspection({
    openStdin: true,
    privileged: true,
    securityOptions: ['no-new-privileges'],
    logDriver: 'json-file',
    logOptions: { 'max-size': '1m' },
    ports: [
      { containerPort: 80, protocol: 'tcp', hostPort: 0 },
      { containerPort: 80, protocol: 'tcp', hostPort: 18_080 },
    ],
    healthCheck: { test: ['CMD-SHELL', 'true'], intervalMs: 5000, timeoutMs: 2000, retries: 2, startPeriodMs: 1000 },
  });
  expect(config).toMatchObject({
    OpenStdin: true,
    ExposedPorts: { '80/tcp': {} },
    Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 5e9, Timeout: 2e9, Retries: 2, StartPeriod: 1e9 },
  });
  expect(host).toMatchObject({
    Privileged: true,
    SecurityOpt: expect.arrayContaining(['no-new-privileges']),
    LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
    PortBindings: { '80/tcp': [{ HostPort: '' }, { HostPort: '18080' }] },
  });
});

test('an image’s own health check is switched off', async () => {
  const { Config: config } = await inspection({ healthCheck: 'none' });
  expect(config.Healthcheck).toEqual({ Test: ['NONE'] });
});

test('an engine that is not there is unreachable, not empty', async () => {
  const nowhere = createDockerEngine({ dockerHost: 'unix:///nowhere/docker.sock', clock: systemClock });
  await expect(nowhere.inspect('any')).rejects.toMatchObject({ kind: 'unreachable' });
  await expect(nowhere.list({})).rejects.toMatchObject({ kind: 'unreachable' });
  await expect(nowhere.stop('any', { timeoutSeconds: 1 })).rejects.toMatchObject({ kind: 'unreachable' });
  await expect(nowhere.events({ labelKeys: [], signal: new AbortController().signal })).rejects.toMatchObject({
    kind: 'unreachable',
  });
});

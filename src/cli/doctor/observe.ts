/** What `berth doctor` looks at on this machine. Each look is bounded in time and changes nothing but a file of a few bytes that it removes again. */
import { readFileSync } from 'node:fs';
import { open, readdir, rm, statfs } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { lookup } from 'node:dns/promises';
import { deadline, type Clock } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import { parseHttpTime } from '#lib/iso-time.ts';
import type { NetworkCard, Observations, PortUse, Role, Seen } from './findings.ts';
import { daysLeftOf, type Installed } from './installed.ts';
import { ask, isTaken } from './reach.ts';

export interface ObserveOptions {
  readonly roles: readonly Role[];
  readonly installed: Installed;
  readonly clock: Clock;
}

const lookMs = 5000;
const fsyncs = 9;
const bytesOfAnEntry = 4096;

export async function observe(options: ObserveOptions): Promise<Observations> {
  const { roles, installed, clock } = options;
  const [ports, engine, control, names, disk, controllers] = await Promise.all([
    observePorts(installed),
    seen(clock, 'the Docker Engine', () => askEngine(installed.engineSocket)),
    installed.control === undefined ? undefined : seen(clock, 'control', () => askControl(installed, clock)),
    seen(clock, 'the name service', () => askName(installed, clock)),
    seen(clock, 'the disk', () => observeDisk(installed.dataFolder, clock)),
    controllersOf(),
  ]);
  const certificate = installed.certificatePem;
  return {
    roles,
    kernel: { release: release(), missing: missingOfKernel() },
    cgroups: controllers,
    ports,
    engine,
    control,
    names,
    mtu: cards(),
    disk,
    certificate:
      certificate === undefined
        ? undefined
        : await seen(clock, 'the certificate', async () => ({ daysLeft: daysLeftOf(certificate, clock.now()) })),
  };
}

async function seen<T>(clock: Clock, what: string, look: () => Promise<T>): Promise<Seen<T>> {
  try {
    return { ok: true, value: await deadline(clock, lookMs, what, look()) };
  } catch (error) {
    return { ok: false, because: messageOf(error) };
  }
}

async function observePorts({ listen, tlsListen }: Installed): Promise<PortUse[]> {
  const wanted = [
    { ...listen, what: 'control', role: 'control', answers: 'http' },
    { ...tlsListen, what: 'control over TLS', role: 'control', answers: 'https' },
    { host: '127.0.0.1', port: 51_678, what: 'introspection of the agent', role: 'agent', answers: 'http' },
    { host: '127.0.0.1', port: 51_680, what: 'metrics of the agent', role: 'agent', answers: 'http' },
  ] as const;
  return Promise.all(
    wanted.map(async ({ host, port, what, role, answers }): Promise<PortUse> => {
      if (!(await isTaken(host, port))) return { port, what, role, use: 'free' };
      const path = port === 51_678 ? '/v1/metadata' : port === 51_680 ? '/metrics' : '/healthz';
      const answer = await askOwn(`${answers}://127.0.0.1:${port}${path}`);
      return { port, what, role, use: /berth|"status":"ok"/i.test(answer) ? 'berth' : 'taken' };
    }),
  );
}

/** Whoever holds the port is asked who it is; no answer is an answer too. Nothing is told, so no certificate is needed. */
async function askOwn(url: string): Promise<string> {
  try {
    return (await ask(url, { isTrusted: true, timeoutMs: lookMs })).body;
  } catch (error) {
    return `no answer: ${messageOf(error)}`;
  }
}

async function askEngine(socketPath: string): Promise<{ version: string; apiVersion: string }> {
  const { body } = await ask('http://localhost/version', { socketPath, timeoutMs: lookMs });
  const { Version: version, ApiVersion: apiVersion } = JSON.parse(body) as { Version?: unknown; ApiVersion?: unknown };
  if (typeof version !== 'string' || typeof apiVersion !== 'string')
    throw new Error(`${socketPath} is no Docker Engine`);
  return { version, apiVersion };
}

async function askControl({ control, authorities }: Installed, clock: Clock) {
  if (control === undefined) throw new Error('there is no control to ask');
  const { date } = await ask(`${control}/healthz`, {
    timeoutMs: lookMs,
    ...(authorities === undefined ? {} : { authorities }),
  });
  const theirs = parseHttpTime(date);
  if (theirs === undefined) throw new Error(`${control} does not say what time it is`);
  return { url: control, clockAheadMs: theirs - clock.now(), overTls: control.startsWith('https:') };
}

async function askName({ control }: Installed, clock: Clock): Promise<{ asked: string; ms: number }> {
  const asked = control === undefined ? 'localhost' : new URL(control).hostname.replace(/^\[(.*)\]$/, '$1');
  const begun = clock.elapsed();
  await lookup(asked);
  return { asked, ms: clock.elapsed() - begun };
}

async function observeDisk(
  folder: string,
  clock: Clock,
): Promise<{ folder: string; fsyncMs: number; freeMiB: number }> {
  const { bavail, bsize } = await statfs(folder);
  const path = join(folder, `.berth-doctor-${process.pid}`);
  const file = await open(path, 'wx', 0o600);
  try {
    const entry = Buffer.alloc(bytesOfAnEntry, 'x');
    const times: number[] = [];
    for (let n = 0; n < fsyncs; n++) {
      const begun = clock.elapsed();
      await file.write(entry);
      await file.sync();
      times.push(clock.elapsed() - begun);
    }
    const fsyncMs = times.toSorted((a, b) => a - b)[Math.floor(fsyncs / 2)] ?? 0;
    return { folder, fsyncMs, freeMiB: Math.floor((bavail * bsize) / 2 ** 20) };
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

async function controllersOf(): Promise<Observations['cgroups']> {
  const unified = textOf('/sys/fs/cgroup/cgroup.controllers');
  if (unified !== '') return { version: 2, controllers: unified.trim().split(' ') };
  const folders = await readdir('/sys/fs/cgroup').catch(() => []);
  // Some hierarchies hold two: `cpu,cpuacct`.
  const controllers = folders.flatMap((name) => name.split(','));
  return { version: controllers.includes('memory') || controllers.includes('cpu') ? 1 : undefined, controllers };
}

function missingOfKernel(): string[] {
  const missing: string[] = [];
  if (!/^nodev\toverlay$/m.test(textOf('/proc/filesystems'))) missing.push('overlay file systems');
  if (textOf('/proc/sys/net/ipv4/ip_forward') === '') missing.push('IPv4');
  if (!/^Seccomp:/m.test(textOf('/proc/self/status'))) missing.push('seccomp');
  return missing;
}

function cards(): Observations['mtu'] {
  // Of /proc/net/route: the card, and where to; nothing but zeros is everywhere.
  const way = textOf('/proc/net/route')
    .split('\n')
    .map((line) => line.split('\t'))
    .find(([, destination]) => destination === '00000000');
  const uplink = way?.[0] === undefined ? undefined : card(way[0]);
  const bridge = card('docker0');
  return { ...(uplink === undefined ? {} : { uplink }), ...(bridge === undefined ? {} : { bridge }) };
}

function card(name: string): NetworkCard | undefined {
  const mtu = Number(textOf(`/sys/class/net/${name}/mtu`));
  return mtu > 0 ? { name, mtu } : undefined;
}

/** Empty when it cannot be read: the kernel has no such thing then. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return '';
    throw error;
  }
}

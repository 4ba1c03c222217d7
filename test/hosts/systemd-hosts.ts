/**
 * Whole hosts with systemd and a Docker Engine of their own, on a LAN of their own: where the installer, the units and a reboot can be tried. Needs root and
 * systemd-nspawn. Invariant: when they are disposed of, no process, namespace, mount or file of them is left.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deadline, systemClock } from '#lib/clock.ts';
import { debianTree } from './debian-tree.ts';
import { createNamespace } from './network-namespace.ts';

const execute = promisify(execFile);
const bootTimeoutMs = 120_000;
const endTimeoutMs = 180_000;
const commandTimeoutMs = 300_000;

export interface SystemdHost {
  readonly name: string;
  readonly address: string;
  /** A line of shell in it, with its PATH; what it prints. Rejects with what it said when it fails. */
  run(command: string, options?: { input?: string }): Promise<string>;
  /** Resolves when it has booted anew. */
  reboot(): Promise<void>;
  /** `unix://…`, for a client outside. */
  dockerHost(): Promise<string>;
}

export interface SystemdHosts extends AsyncDisposable {
  readonly hosts: readonly SystemdHost[];
}

/** A LAN that is there. */
export interface Lan {
  readonly namespace: string;
  /** Of its bridge there. */
  readonly bridge: string;
  /** The first three numbers of its addresses. */
  readonly network: string;
  /** The last number of the first host; the next ones follow. */
  readonly from: number;
}

/** `release` is a folder that all of them see as /release. Without `lan` they have one of their own. */
export async function bootSystemdHosts(names: readonly string[], release: string, lan?: Lan): Promise<SystemdHosts> {
  await using own = new AsyncDisposableStack();
  const tree = join(await debianTree('host'), 'tree');
  const tag = `berth-install-${process.pid}`;
  const folder = await mkdtemp(join(tmpdir(), 'berth-systemd-hosts-'));
  own.defer(() => rm(folder, { recursive: true, force: true }));
  const { namespace: middle, bridge, network, from } = lan ?? (await createLan(own, tag));

  const hosts: SystemdHost[] = [];
  for (const [index, name] of names.entries()) {
    const namespace = own.use(await createNamespace(`${tag}-${name}`));
    const address = `${network}.${from + index}`;
    await namespace.ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', name, 'netns', middle);
    await execute('ip', ['-n', middle, 'link', 'set', name, 'master', bridge, 'up']);
    await namespace.ip('addr', 'add', `${address}/24`, 'dev', 'eth0');
    await namespace.ip('link', 'set', 'eth0', 'up');
    const place = join(folder, name);
    await mkdir(place);
    const log = openSync(join(place, 'console'), 'a', 0o600);
    const script = join(import.meta.dirname, 'nspawn-host.sh');
    // What it mounts is seen by it alone, and gone with it.
    const words = ['--mount', '--propagation', 'private', 'sh', script, tree, place, `${tag}-${name}`];
    const child = spawn('unshare', [...words, namespace.name, release], {
      stdio: ['ignore', log, log],
      detached: true,
    });
    own.defer(() => powerOff(child));
    hosts.push(createHost({ name, address, place }));
  }
  await Promise.all(hosts.map((host) => booted(host)));
  const kept = own.move();
  return { hosts, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function createLan(own: AsyncDisposableStack, name: string): Promise<Lan> {
  const { ip } = own.use(await createNamespace(name));
  await ip('link', 'add', 'lan', 'type', 'bridge');
  await ip('link', 'set', 'lan', 'up');
  return { namespace: name, bridge: 'lan', network: '198.18.77', from: 1 };
}

function createHost({ name, address, place }: { name: string; address: string; place: string }): SystemdHost {
  /** Of the host's own first process. */
  async function init(): Promise<string> {
    const nspawn = (await readFile(join(place, 'pid'), 'utf8')).trim();
    const [first] = (await readFile(`/proc/${nspawn}/task/${nspawn}/children`, 'utf8')).trim().split(' ');
    if (first === undefined || first === '') throw new Error(`${name} is not up`);
    return first;
  }

  const host: SystemdHost = {
    name,
    address,
    async run(command, { input } = {}) {
      const words = [
        '-t',
        await init(),
        '-a',
        '--wd=/',
        'env',
        '-i',
        `PATH=${path}`,
        'HOME=/root',
        'sh',
        '-c',
        command,
      ];
      const running = execute('nsenter', words, { timeout: commandTimeoutMs, maxBuffer: 1 << 24 });
      // A command that ends without having read all of it says so by its end.
      running.child.stdin?.on('error', () => undefined).end(input ?? '');
      try {
        return (await running).stdout;
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        const said = ['stdout', 'stderr'].map((name) => String(Reflect.get(error, name) ?? '').trim());
        throw new Error(`on ${name}: ${command}\n${said.join('\n')}`, { cause: error });
      }
    },
    async reboot() {
      const before = await init();
      await host.run('systemctl reboot');
      await waitFor(`the reboot of ${name}`, endTimeoutMs, async () => (await init()) !== before);
      await booted(host);
    },
    dockerHost: async () => `unix:///proc/${await init()}/root/run/docker.sock`,
  };
  return host;
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

async function booted(host: SystemdHost): Promise<void> {
  await waitFor(`${host.name} to boot`, bootTimeoutMs, async () => {
    const state = await host.run('systemctl is-system-running || :');
    if (state.trim() === 'degraded')
      throw new Error(`${host.name}: ${await host.run('systemctl --failed --no-legend')}`);
    return state.trim() === 'running';
  });
}

/** A host that is not up yet cannot be asked; that is the answer no. */
async function waitFor(what: string, withinMs: number, isSo: () => Promise<boolean>): Promise<void> {
  const end = systemClock.now() + withinMs;
  for (;;) {
    let reason: unknown;
    try {
      if (await isSo()) return;
    } catch (error) {
      reason = error;
    }
    if (systemClock.now() > end) throw new Error(`waited ${withinMs / 1000} s for ${what}`, { cause: reason });
    await systemClock.sleep(200);
  }
}

async function powerOff(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await deadline(systemClock, endTimeoutMs, 'a host to power off', ended);
}

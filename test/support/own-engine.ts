/**
 * A Docker Engine of a test's own: dockerd and containerd with their own data, socket and network namespace, so that tests may kill them, fill their disk
 * or join them to a swarm while the machine's engine stays as it is. Needs root, `dockerd`, `containerd` and `ip`. Invariant: `close` leaves no
 * process, container, mount, namespace or file.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createDockerEngine } from '#agent/engine/docker.ts';
import { deadline, systemClock } from '#lib/clock.ts';

const execute = promisify(execFile);
const startTimeoutMs = 30_000;
const stopTimeoutMs = 60_000;

/** Only between an engine and the machine that it runs on. */
const link = { machine: '198.18.77.1', engine: '198.18.77.2' };

export interface OwnEngine {
  socket: string;
  /** For DOCKER_HOST. */
  host: string;
  namespace: string;
  /** With its images and containers. */
  dataFolder: string;
  /** Ends dockerd; SIGTERM is a stop in order, which ends its containers unless it was started with --live-restore. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts dockerd again. */
  start(): Promise<void>;
  /** kill -9; its containers go on. */
  killContainerd(): Promise<void>;
  startContainerd(): Promise<void>;
  close(): Promise<void>;
}

export interface OwnEngineOptions {
  /** How much its images and containers may take; as much as there is by default. */
  dataMiB?: number;
  /** The engine reaches the machine at `machineAddress`, where it may pull without TLS. One engine at a time. */
  isLinked?: boolean;
}

export const machineAddress = link.machine;

/** `flags` go to dockerd as they are, e.g. `--live-restore`. */
export async function startOwnEngine(
  name: string,
  flags: readonly string[] = [],
  { dataMiB, isLinked = false }: OwnEngineOptions = {},
): Promise<OwnEngine> {
  const namespace = `berth-${name}-${process.pid}`;
  const folder = await mkdtemp(join(tmpdir(), `${namespace}-`));
  const dataFolder = join(folder, 'data');
  const socket = join(folder, 'docker.sock');
  const pidFile = join(folder, 'docker.pid');
  const containerdSocket = join(folder, 'containerd.sock');
  let dockerd: ChildProcess | undefined;
  let containerd: ChildProcess | undefined;

  async function spawnDaemon(program: string, args: readonly string[]): Promise<ChildProcess> {
    const log = await open(join(folder, 'engine.log'), 'a');
    const child = spawn(program, args, { stdio: ['ignore', log.fd, log.fd] });
    await log.close();
    return child;
  }

  async function untilReady(child: ChildProcess, what: string, isReady: () => Promise<boolean>): Promise<void> {
    async function wait(): Promise<void> {
      while (!(await isReady())) {
        if (hasEnded(child)) throw new Error(`${what} ended with ${child.exitCode ?? child.signalCode}`);
        await systemClock.sleep(20);
      }
    }
    try {
      await deadline(systemClock, startTimeoutMs, `the start of ${what}`, wait());
    } catch (cause) {
      const words = await readFile(join(folder, 'engine.log'), 'utf8');
      const end = words.split('\n').slice(-10).join('\n');
      throw new Error(`${what} does not answer; the end of the engine's log:\n${end}`, { cause });
    }
  }

  async function startContainerd(): Promise<void> {
    await rm(containerdSocket, { force: true });
    containerd = await spawnDaemon('containerd', ['-c', join(folder, 'containerd.toml'), '-l', 'warn']);
    await untilReady(containerd, 'containerd', async () => existsSync(containerdSocket));
  }

  async function start(): Promise<void> {
    // One that was killed leaves it, and the next would take it for a running dockerd's.
    await rm(pidFile, { force: true });
    const data = ['--data-root', dataFolder, '--exec-root', join(folder, 'exec'), '--containerd', containerdSocket];
    const place = ['--pidfile', pidFile, '-H', `unix://${socket}`, '--bip', '172.31.240.1/24'];
    const registries = isLinked ? ['--insecure-registry', `${link.machine}/32`] : [];
    // nsenter, not `ip netns exec`: the latter mounts a /sys without cgroups.
    const args = [`--net=/run/netns/${namespace}`, 'dockerd', ...data, ...place, ...registries, ...flags];
    dockerd = await spawnDaemon('nsenter', args);
    await untilReady(dockerd, 'dockerd', () => answersPing(socket));
  }

  async function close(): Promise<void> {
    if (dockerd !== undefined && !hasEnded(dockerd)) await removeContainers(`unix://${socket}`);
    await end(dockerd, 'SIGTERM', 'dockerd');
    await end(containerd, 'SIGTERM', 'containerd');
    const mounts = await readFile('/proc/mounts', 'utf8');
    const ours = mounts.split('\n').flatMap((line) => {
      const point = line.split(' ')[1];
      return point?.startsWith(`${folder}/`) === true ? [point] : [];
    });
    for (const point of ours.toReversed()) await execute('umount', [point]);
    await execute('ip', ['netns', 'del', namespace]);
    await rm(folder, { recursive: true, force: true });
  }

  await execute('ip', ['netns', 'add', namespace]);
  await execute('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
  if (isLinked) await linkTo(namespace);
  await mkdir(dataFolder);
  if (dataMiB !== undefined) await execute('mount', ['-t', 'tmpfs', '-o', `size=${dataMiB}m`, 'tmpfs', dataFolder]);
  await writeFile(join(folder, 'containerd.toml'), containerdConfig(folder, containerdSocket));
  try {
    await startContainerd();
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    socket,
    host: `unix://${socket}`,
    namespace,
    dataFolder,
    stop: (signal) => end(dockerd, signal, 'dockerd'),
    start,
    killContainerd: () => end(containerd, 'SIGKILL', 'containerd'),
    startContainerd,
    close,
  };
}

/** A containerd of its own outlives dockerd, as the distributions' packages have it. */
function containerdConfig(folder: string, socket: string): string {
  return [
    'version = 2',
    `root = "${join(folder, 'containerd/root')}"`,
    `state = "${join(folder, 'containerd/state')}"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    '[grpc]',
    `  address = "${socket}"`,
  ].join('\n');
}

async function linkTo(namespace: string): Promise<void> {
  const ends = { machine: `b${process.pid}m`, engine: `b${process.pid}e` };
  await execute('ip', ['link', 'add', ends.machine, 'type', 'veth', 'peer', 'name', ends.engine, 'netns', namespace]);
  await execute('ip', ['addr', 'add', `${link.machine}/30`, 'dev', ends.machine]);
  await execute('ip', ['link', 'set', ends.machine, 'up']);
  await execute('ip', ['-n', namespace, 'addr', 'add', `${link.engine}/30`, 'dev', ends.engine]);
  await execute('ip', ['-n', namespace, 'link', 'set', ends.engine, 'up']);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function end(child: ChildProcess | undefined, signal: 'SIGTERM' | 'SIGKILL', what: string): Promise<void> {
  if (child === undefined || hasEnded(child)) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await deadline(systemClock, stopTimeoutMs, `the end of ${what}`, ended);
}

/** With --live-restore they would outlive the engine. */
async function removeContainers(dockerHost: string): Promise<void> {
  const engine = createDockerEngine({ dockerHost, clock: systemClock });
  try {
    for (const { id } of await engine.list({})) await engine.remove(id);
  } finally {
    engine.close();
  }
}

function answersPing(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    request({ socketPath: socket, path: '/_ping' }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    })
      .on('error', () => resolve(false))
      .end();
  });
}

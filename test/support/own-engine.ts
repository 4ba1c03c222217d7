/**
 * A Docker Engine of a test's own: dockerd with its own data, socket and network namespace, so that tests may kill it or join it to a swarm while the
 * machine's engine stays as it is. Needs root, `dockerd` and `ip`. Invariant: `close` leaves no process, mount, namespace or file.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deadline, systemClock } from '#lib/clock.ts';

const execute = promisify(execFile);
const startTimeoutMs = 30_000;
const stopTimeoutMs = 60_000;

export interface OwnEngine {
  socket: string;
  /** For DOCKER_HOST. */
  host: string;
  namespace: string;
  close(): Promise<void>;
}

/** `flags` go to dockerd as they are, e.g. `--live-restore`. */
export async function startOwnEngine(name: string, flags: readonly string[] = []): Promise<OwnEngine> {
  const namespace = `berth-${name}-${process.pid}`;
  const folder = await mkdtemp(join(tmpdir(), `${namespace}-`));
  const socket = join(folder, 'docker.sock');
  await execute('ip', ['netns', 'add', namespace]);
  await execute('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
  const data = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')];
  const place = ['--pidfile', join(folder, 'docker.pid'), '-H', `unix://${socket}`, '--bip', '172.31.240.1/24'];
  // nsenter, not `ip netns exec`: the latter mounts a /sys without cgroups.
  const log = await open(join(folder, 'dockerd.log'), 'a');
  const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, 'dockerd', ...data, ...place, ...flags], {
    stdio: ['ignore', log.fd, log.fd],
  });
  await log.close();
  const engine = {
    socket,
    host: `unix://${socket}`,
    namespace,
    close: () => closeEngine(child, { folder, namespace }),
  };
  try {
    await deadline(systemClock, startTimeoutMs, 'the start of dockerd', untilAnswers(socket, child));
    return engine;
  } catch (cause) {
    const words = await readFile(join(folder, 'dockerd.log'), 'utf8');
    await engine.close();
    throw new Error(`dockerd does not answer; the end of its log:\n${words.split('\n').slice(-10).join('\n')}`, {
      cause,
    });
  }
}

async function untilAnswers(socket: string, child: ChildProcess): Promise<void> {
  while (!(await answersPing(socket))) {
    if (child.exitCode !== null) throw new Error(`dockerd ended with ${child.exitCode}`);
    await systemClock.sleep(50);
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

async function closeEngine(child: ChildProcess, own: { folder: string; namespace: string }): Promise<void> {
  if (child.exitCode === null) {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await deadline(systemClock, stopTimeoutMs, 'the end of dockerd', ended);
  }
  const mounts = await readFile('/proc/mounts', 'utf8');
  const ours = mounts.split('\n').flatMap((line) => {
    const point = line.split(' ')[1];
    return point?.startsWith(`${own.folder}/`) === true ? [point] : [];
  });
  for (const point of ours.toReversed()) await execute('umount', [point]);
  await execute('ip', ['netns', 'del', own.namespace]);
  await rm(own.folder, { recursive: true, force: true });
}

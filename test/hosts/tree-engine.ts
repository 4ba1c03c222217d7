/**
 * The Docker Engine of a file tree, in a network namespace and with folders of its own, beside the machine's. Tests meet it at its socket, from inside its
 * namespace. Needs root. Invariant: when it is disposed of, no process, mount, namespace or file of it is left.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answersPing } from '#cli/dev/hosts/engine-ping.ts';
import { deadline, systemClock } from '#lib/clock.ts';
import { createNamespace } from './network-namespace.ts';

const inTree = join(import.meta.dirname, 'in-tree.sh');
const startTimeoutMs = 60_000;
const stopTimeoutMs = 60_000;

export interface TreeEngine extends AsyncDisposable {
  /** For DOCKER_HOST. */
  host: string;
  namespace: string;
}

export async function startTreeEngine(name: string, tree: string): Promise<TreeEngine> {
  await using own = new AsyncDisposableStack();
  const namespace = `berth-${name}-${process.pid}`;
  const folder = await mkdtemp(join(tmpdir(), `${namespace}-`));
  own.defer(() => rm(folder, { recursive: true }));
  own.use(await createNamespace(namespace));

  const socket = join(folder, 'docker.sock');
  const log = await open(join(folder, 'dockerd.log'), 'a');
  const inNamespaces = [`--net=/run/netns/${namespace}`, 'unshare', '--mount', '--propagation', 'private'];
  const data = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')];
  const place = ['--pidfile', join(folder, 'docker.pid'), '-H', `unix://${socket}`, '--bip', '172.31.241.1/24'];
  // Detached, so that a Ctrl-C ends the tests and leaves them an engine to tidy.
  const dockerd = spawn('nsenter', [...inNamespaces, 'sh', inTree, tree, tmpdir(), 'dockerd', ...data, ...place], {
    stdio: ['ignore', log.fd, log.fd],
    detached: true,
  });
  await log.close();
  own.defer(() => end(dockerd));
  try {
    await deadline(systemClock, startTimeoutMs, 'the start of dockerd', untilAnswers(socket, dockerd));
  } catch (cause) {
    const words = (await readFile(join(folder, 'dockerd.log'), 'utf8')).split('\n').slice(-10).join('\n');
    throw new Error(`the engine of ${tree} does not answer; the end of its log:\n${words}`, { cause });
  }
  const kept = own.move();
  return { host: `unix://${socket}`, namespace, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function untilAnswers(socket: string, child: ChildProcess): Promise<void> {
  while (!(await answersPing(socket))) {
    if (child.exitCode !== null) throw new Error(`dockerd ended with ${child.exitCode}`);
    await systemClock.sleep(50);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await deadline(systemClock, stopTimeoutMs, 'the end of dockerd', ended);
}

/**
 * One host of several on this machine: power on and off, shutdown, a cable that can be pulled. A host that is off leaves its disk (its folder) and nothing
 * else: no process, mount, link or control group. Every step may be repeated.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { deadline, type Clock } from '#lib/clock.ts';
import { CliError } from '../../errors.ts';
import { answersPing } from './engine-ping.ts';
import { freeze, removeGroups } from './groups.ts';
import { removePort } from './lan.ts';
import type { HostPlace, Place } from './place.ts';
import { findHosts } from './processes.ts';

const engineTimeoutMs = 30_000;
const endTimeoutMs = 10_000;
/** dockerd gives its containers ten seconds, and then some. */
const shutdownTimeoutMs = 40_000;

export interface HostOptions {
  readonly place: Place;
  readonly host: HostPlace;
  /** The command of the agent. */
  readonly agent: readonly string[];
  /** Of the host's daemons. */
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** The host loses its power when this process ends, however it ends. */
  readonly endsWithUs?: boolean;
}

export interface HostAt {
  readonly place: Place;
  readonly host: Pick<HostPlace, 'name' | 'folder' | 'group'>;
  readonly clock: Clock;
}

/** Resolves once its engine answers. A host that is on stays as it is. */
export async function powerOn(options: HostOptions): Promise<void> {
  const { place, host, clock } = options;
  const running = (await findHosts(place.program)).get(host.folder);
  let child: ChildProcess | undefined;
  if (running?.inside.length !== 1) {
    await powerOff(options);
    await mkdir(join(host.folder, 'docker'), { recursive: true, mode: 0o700 });
    // Otherwise the one of before would be taken for the new engine's.
    await rm(host.socket, { force: true });
    child = await start(options);
  }
  try {
    await deadline(clock, engineTimeoutMs, `the engine of ${host.name}`, untilEngineAnswers(host, clock, child));
  } catch (cause) {
    throw new CliError(`the engine of ${host.name} does not answer; the end of its log:\n${await logEnd(host)}`, {
      cause,
      next: `the whole log is ${join(host.folder, 'dockerd.log')}`,
    });
  }
}

async function start({ place, host, agent, environment, endsWithUs = false }: HostOptions): Promise<ChildProcess> {
  const log = await open(join(host.folder, 'host.log'), 'a', 0o600);
  try {
    const words = [
      place.program,
      'start',
      host.folder,
      host.name,
      place.lan,
      `${host.address}/24`,
      host.group,
      ...agent,
    ];
    const command = endsWithUs ? ['setpriv', '--pdeathsig', 'KILL', ...words] : words;
    const child = spawn(command[0] ?? '', command.slice(1), {
      env: environment,
      cwd: host.folder,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.unref();
    return child;
  } finally {
    await log.close();
  }
}

async function logEnd(host: HostPlace): Promise<string> {
  const ends = await Promise.all(
    ['host.log', 'dockerd.log'].map(async (name) => {
      const path = join(host.folder, name);
      return existsSync(path) ? (await readFile(path, 'utf8')).trimEnd().split('\n').slice(-6) : [];
    }),
  );
  return ends.flat().join('\n');
}

async function untilEngineAnswers(host: HostPlace, clock: Clock, child: ChildProcess | undefined): Promise<void> {
  while (!(await answersPing(host.socket))) {
    if (child !== undefined && child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    await clock.sleep(20);
  }
}

/**
 * The loss of power: nothing leaves it any more, not even the kernel's farewell to those it was connected to, and all its processes are killed at
 * once. A host that is off, or was only half started, ends the same.
 */
export async function powerOff({ place, host, clock }: HostAt): Promise<void> {
  await removePort(place, host.name);
  if (!(await endsWithin({ place, host, clock }, 'SIGKILL', endTimeoutMs))) {
    throw new CliError(`${host.name} does not end`, { next: `see \`ps -ef | grep ${host.folder}\`` });
  }
  await removeGroups(host.group, clock);
}

/** In order: the agent ends, then the engine stops its containers; what takes too long is killed. */
export async function shutDown(at: HostAt): Promise<void> {
  await endsWithin(at, 'SIGTERM', shutdownTimeoutMs);
  await powerOff(at);
}

async function endsWithin({ place, host, clock }: HostAt, signal: 'SIGTERM' | 'SIGKILL', ms: number): Promise<boolean> {
  const until = clock.now() + ms;
  for (let isTold = false; ; isTold = true) {
    const running = (await findHosts(place.program)).get(host.folder);
    if (running === undefined) return true;
    if (!isTold) {
      for (const pid of signal === 'SIGKILL' ? [...running.inside, ...running.outside] : running.inside)
        kill(pid, signal);
      await freeze(host.group, false);
    }
    if (clock.now() > until) return false;
    await clock.sleep(30);
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Starting a daemon in the background with its output in a log file, and ending it in order. */
import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#lib/clock.ts';
import { daemonEnvironment, daemonFlags } from '#lib/small-process.ts';
import { CliError } from '../errors.ts';
import { isDaemonAlive, type DaemonName } from './state.ts';

const pollIntervalMs = 50;

/** The command that is the daemon, for those who run it elsewhere than here. */
export function daemonCommand(root: string, name: DaemonName): string[] {
  return [process.execPath, ...daemonFlags(name), join(root, 'dist/main.js'), name];
}

export interface DaemonOptions {
  name: DaemonName;
  root: string;
  home: string;
  environment: NodeJS.ProcessEnv;
}

export function logFileOf(home: string, name: DaemonName): string {
  return join(home, `${name}.log`);
}

/** Starts it in a session of its own, so that closing the terminal does not end it. Answers its pid. */
export async function startDaemon(options: DaemonOptions): Promise<number> {
  const log = await open(logFileOf(options.home, options.name), 'a', 0o600);
  try {
    const [program = '', ...args] = daemonCommand(options.root, options.name);
    const child = spawn(program, args, {
      cwd: options.home,
      env: { ...options.environment, ...daemonEnvironment },
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.unref();
    if (child.pid === undefined) throw new CliError(`could not start berth ${options.name}`);
    return child.pid;
  } finally {
    await log.close();
  }
}

export interface Readiness {
  pid: number;
  name: DaemonName;
  home: string;
  clock: Clock;
  timeoutMs: number;
  signal: AbortSignal;
  isReady(): Promise<boolean>;
}

/** Waits until the daemon is ready; when it dies or time is up, the error carries the last lines of its log. */
export async function waitUntilReady(options: Readiness): Promise<void> {
  const deadline = options.clock.now() + options.timeoutMs;
  while (!(await options.isReady())) {
    const isAlive = await isDaemonAlive(options.pid, options.name);
    if (!isAlive || options.clock.now() > deadline) {
      const what = isAlive ? `is not ready after ${options.timeoutMs / 1000} s` : 'ended right after its start';
      throw new CliError(
        `berth ${options.name} ${what}; the end of its log:\n${await logTail(options.home, options.name)}`,
        {
          next: `the whole log is ${logFileOf(options.home, options.name)}`,
        },
      );
    }
    await options.clock.sleep(pollIntervalMs, options.signal);
  }
}

async function logTail(home: string, name: DaemonName): Promise<string> {
  const text = await readFile(logFileOf(home, name), 'utf8');
  return text.trimEnd().split('\n').slice(-8).join('\n');
}

/** Asks it to end, and ends it by force when it has not after the time. Already gone is success. */
export async function stopDaemon({
  pid,
  ...options
}: {
  pid: number | undefined;
  name: DaemonName;
  clock: Clock;
  timeoutMs: number;
}): Promise<'ended' | 'killed' | 'was gone'> {
  if (pid === undefined || !(await isDaemonAlive(pid, options.name))) return 'was gone';
  process.kill(pid, 'SIGTERM');
  if (await endsWithin({ ...options, pid }, options.timeoutMs)) return 'ended';
  process.kill(pid, 'SIGKILL');
  if (await endsWithin({ ...options, pid }, 5000)) return 'killed';
  throw new CliError(`berth ${options.name} (pid ${pid}) does not end, not even by SIGKILL`, {
    next: 'its state is shown by `ps -o stat,wchan -p <pid>`',
  });
}

async function endsWithin(
  options: { pid: number; name: DaemonName; clock: Clock },
  timeoutMs: number,
): Promise<boolean> {
  const deadline = options.clock.now() + timeoutMs;
  while (await isDaemonAlive(options.pid, options.name)) {
    if (options.clock.now() > deadline) return false;
    await options.clock.sleep(pollIntervalMs);
  }
  return true;
}

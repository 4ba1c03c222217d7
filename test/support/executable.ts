/** The single executable, and a daemon of it with nothing in its environment but its settings. */
import { execFile, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { deadline, systemClock } from '#lib/clock.ts';

const readyTimeoutMs = 30_000;
const stopTimeoutMs = 15_000;

const root = resolve(import.meta.dirname, '../..');

/** dist/berth, of the sources as they are. */
export async function buildExecutable(): Promise<void> {
  await promisify(execFile)(process.execPath, [join(root, 'bin/build.ts'), '--if-changed', '--executable']);
}

export function startExecutable(file: string, args: readonly string[], settings: NodeJS.ProcessEnv) {
  const child = spawn(file, args, { env: { PATH: process.env['PATH'], ...settings }, stdio: 'ignore' });
  const ended = new Promise<number | null>((done) => child.once('exit', done));

  return {
    pid: child.pid,
    /** Resolves when `url` answers with success; fails when the process ends before that. */
    async answers(url: string): Promise<void> {
      const end = systemClock.now() + readyTimeoutMs;
      while (!(await isAnswered(url))) {
        if (child.exitCode !== null) throw new Error(`${file} ended with ${child.exitCode}`);
        if (systemClock.now() > end) throw new Error(`${url} did not answer within ${readyTimeoutMs / 1000} s`);
        await systemClock.sleep(50);
      }
    },
    async stop(): Promise<number | null> {
      child.kill('SIGTERM');
      return deadline(systemClock, stopTimeoutMs, `the end of ${file}`, ended);
    },
  };
}

async function isAnswered(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

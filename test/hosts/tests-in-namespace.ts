/**
 * Runs vitest inside a network namespace, with a folder of its own for temporary files. A signal to end us ends the tests first, so that whoever called can
 * take down what they ran on.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** Its exit code. */
export async function runTestsIn(
  namespace: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-tests-'));
  const vitest = [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', ...args];
  // Not `ip netns exec`: it mounts a /sys without control groups.
  const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, ...vitest], {
    cwd: root,
    env: { ...process.env, ...environment, TMPDIR: folder },
    stdio: 'inherit',
  });
  const end = (): void => void child.kill('SIGTERM');
  process.on('SIGINT', end).on('SIGTERM', end);
  try {
    return await new Promise<number>((done, fail) => {
      child.once('error', fail).once('exit', (code) => done(code ?? 1));
    });
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end);
    await rm(folder, { recursive: true });
  }
}

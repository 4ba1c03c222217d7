/** A network namespace for a host of the tests. Invariant: when it is disposed of, no process is left in it, whoever started it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { deadline, systemClock } from '#lib/clock.ts';

const execute = promisify(execFile);
const endTimeoutMs = 10_000;

export interface NetworkNamespace extends AsyncDisposable {
  name: string;
  /** The command `ip` in it. */
  ip(...args: string[]): Promise<void>;
}

export async function createNamespace(name: string): Promise<NetworkNamespace> {
  const namespace: NetworkNamespace = {
    name,
    ip: async (...args) => void (await execute('ip', ['-n', name, ...args])),
    async [Symbol.asyncDispose]() {
      await deadline(systemClock, endTimeoutMs, `the end of what runs in ${name}`, endProcesses(name));
      await execute('ip', ['netns', 'del', name]);
    },
  };
  await execute('ip', ['netns', 'add', name]);
  await namespace.ip('link', 'set', 'lo', 'up');
  return namespace;
}

/** Tests that were interrupted leave daemons. */
async function endProcesses(name: string): Promise<void> {
  for (;;) {
    const pids = (await execute('ip', ['netns', 'pids', name])).stdout.split('\n').filter((line) => line !== '');
    if (pids.length === 0) return;
    for (const pid of pids) endProcess(Number(pid));
    await systemClock.sleep(100);
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    const isGone = error instanceof Error && 'code' in error && error.code === 'ESRCH';
    if (!isGone) throw error;
  }
}

/** The machine under test as its tests reach it: commands and the engine's socket over ssh. Everything takes ten to twenty times as long as elsewhere. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deadline, systemClock } from '#lib/clock.ts';
import { eventually } from '#test/support/real-cell.ts';
import type { VmAccess } from '../hosts/vm.ts';

export const accessVariable = 'BERTH_TEST_VM';

/** Until a machine that boots, or a task in it, is where it should be; on a busy machine several times what it takes on an idle one. */
export const patienceMs = 600_000;
/** Each look costs the machine some of the time that it needs to get there. */
export const pauseMs = 2000;
const commandTimeoutMs = patienceMs;

/** `eventually` as it suits such a machine. */
export function patiently<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  return eventually(what, look, patienceMs, pauseMs);
}

export interface Machine {
  readonly access: VmAccess;
  /** For a ContainerEngine of ours: the machine's engine. */
  readonly dockerHost: string;
  /** Runs a shell line as root; what it printed. Rejects with what it said when it fails. */
  run(line: string, options?: { input?: string }): Promise<string>;
  read(path: string): Promise<string>;
  write(path: string, text: string): Promise<void>;
  /** An orderly one; resolves when it is up again. */
  reboot(): Promise<void>;
  /** As when somebody pulls the plug and puts it in again. */
  losePower(): Promise<void>;
  close(): Promise<void>;
}

/** Resolves when the machine has booted and its engine answers. */
export async function reachMachine(): Promise<Machine> {
  const given = process.env[accessVariable];
  if (given === undefined) throw new Error(`${accessVariable} is not set: run these tests by npm run test:vm`);
  const access: VmAccess = JSON.parse(given);
  const folder = await mkdtemp(join(tmpdir(), 'berth-vm-ssh-'));
  const socket = join(folder, 'docker.sock');
  const control = join(folder, 'control');
  const options = [
    ['-i', access.key, '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'],
    ['-o', `ControlPath=${control}`, '-o', 'ConnectTimeout=10', '-o', 'ServerAliveInterval=15'],
  ].flat();
  let master: ChildProcess | undefined;

  async function ssh(line: string, input?: string): Promise<string> {
    const running = promisify(execFile)('ssh', [...options, `root@${access.address}`, line], {
      timeout: commandTimeoutMs,
      maxBuffer: 16 * 2 ** 20,
    });
    // A command that ends without having read all of it says so by its end.
    running.child.stdin?.on('error', () => undefined).end(input);
    try {
      return (await running).stdout.trim();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new Error(`${line}\n${String(Reflect.get(error, 'stdout') ?? '').trim()}\n${error.message}`, {
        cause: error,
      });
    }
  }

  /** One connection for all commands, since each costs the machine seconds, and the engine's socket with it. */
  async function open(): Promise<void> {
    const forward = ['-o', 'StreamLocalBindUnlink=yes', '-L', `${socket}:/run/docker.sock`];
    const child = spawn('ssh', [...options, '-M', '-N', ...forward, `root@${access.address}`], { stdio: 'ignore' });
    master = child;
    await eventually('a connection', async () => {
      if (child.exitCode !== null) throw new Error(`ssh ended with ${child.exitCode}`);
      return (await promisify(execFile)('ssh', [...options, '-O', 'check', 'machine'])).stderr.includes('running');
    });
  }

  async function hangUp(): Promise<void> {
    const child = master;
    master = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await deadline(systemClock, 10_000, 'the end of ssh', ended);
  }

  async function connectAgain(): Promise<void> {
    await patiently('the machine to answer', async () => {
      await hangUp();
      await open();
      return true;
    });
    await patiently('the machine to be up', () => ssh('systemctl is-active docker && docker info >/dev/null'));
  }

  async function untilBootedSince(before: string): Promise<void> {
    await patiently('another boot', async () => {
      await connectAgain();
      return (await ssh(bootId)) !== before;
    });
  }

  await connectAgain();
  return {
    access,
    dockerHost: `unix://${socket}`,
    run: (line, { input } = {}) => ssh(line, input),
    read: (path) => ssh(`cat '${path}'`),
    write: async (path, text) => void (await ssh(`cat >'${path}'`, text)),
    async reboot() {
      const before = await ssh(bootId);
      await ssh('systemctl reboot --no-block');
      await untilBootedSince(before);
    },
    async losePower() {
      const before = await ssh(bootId);
      await tell(access.monitor, 'system_reset');
      await untilBootedSince(before);
    },
    async close() {
      await hangUp();
      await rm(folder, { recursive: true });
    },
  };
}

const bootId = 'cat /proc/sys/kernel/random/boot_id';

/** A command of the emulator's monitor, which answers with an echo and its prompt. */
function tell(monitor: string, command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const connection = connect(monitor);
    connection.once('error', reject).once('close', () => resolve());
    connection.on('data', (bytes) => {
      answer += bytes.toString();
      if (answer.split('(qemu) ').length > 2) connection.end();
    });
    connection.write(`${command}\n`);
  });
}

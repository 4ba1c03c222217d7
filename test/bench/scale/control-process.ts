/** The real control process on a folder and a port of its own, with the flags its unit runs it with. */
import { spawn } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { daemonEnvironment, daemonFlags } from '#lib/small-process.ts';
import { deadline, systemClock } from '#lib/clock.ts';
import { agentToken, freePort, testKey } from '#test/support/processes.ts';

const root = resolve(import.meta.dirname, '../../..');
const readyMs = 30_000;
const stopMs = 60_000;

export interface ControlProcess {
  readonly pid: number;
  readonly url: string;
  readonly folder: string;
  stop(): Promise<void>;
}

export interface ControlProcessOptions {
  readonly folder: string;
  readonly lostAfterSeconds: number;
  /** Where to leave a profile of the processor's time; sources are run then, so that its names are theirs. */
  readonly profileFolder?: string;
  /** Node's, instead of those that the unit gives. */
  readonly flags?: readonly string[];
}

export async function startControlProcess(options: ControlProcessOptions): Promise<ControlProcess> {
  const { folder, lostAfterSeconds, profileFolder, flags = daemonFlags('control') } = options;
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const log = await open(join(folder, 'control.log'), 'a', 0o600);
  const profile = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
  const program = profileFolder === undefined ? 'dist/main.js' : 'src/main.ts';
  const child = spawn(process.execPath, [...flags, ...profile, join(root, program), 'control'], {
    env: {
      ...process.env,
      ...daemonEnvironment,
      BERTH_HOME: join(folder, 'control'),
      BERTH_LISTEN: `127.0.0.1:${port}`,
      BERTH_ADMIN_ACCESS_KEY_ID: testKey.accessKeyId,
      BERTH_ADMIN_SECRET_ACCESS_KEY: testKey.secretAccessKey,
      BERTH_AGENT_TOKEN: agentToken,
      BERTH_LOST_AFTER: String(lostAfterSeconds),
      BERTH_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', log.fd, log.fd],
  });
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  await log.close();
  const control: ControlProcess = {
    pid: child.pid ?? 0,
    url,
    folder,
    async stop() {
      child.kill('SIGTERM');
      try {
        await deadline(systemClock, stopMs, 'the end of control', ended);
      } finally {
        child.kill('SIGKILL');
      }
    },
  };
  try {
    await deadline(systemClock, readyMs, 'the start of control', untilReady(url));
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return control;
}

async function untilReady(url: string): Promise<void> {
  for (;;) {
    try {
      if ((await fetch(`${url}/readyz`)).ok) return;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    await systemClock.sleep(20);
  }
}

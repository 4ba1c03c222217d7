/** Control and agent as real processes, the way people run them, on folders and ports of a test's own. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { readFile } from 'node:fs/promises';
import { openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ECSClient } from '@aws-sdk/client-ecs';
import { daemonEnvironment, daemonFlags } from '#lib/small-process.ts';
import { deadline, systemClock } from '#lib/clock.ts';

const root = resolve(import.meta.dirname, '../..');
const stopTimeoutMs = 15_000;
const readyTimeoutMs = 30_000;

export const testKey = {
  accessKeyId: 'AKIDBERTHTEST0000000',
  secretAccessKey: 'berth-test-secret-access-key-0000000000',
};
export const agentToken = 'berth-test-agent-token-0123456789abcdef';

export interface Daemon {
  readonly pid: number;
  /** SIGTERM, and the exit code it answered. */
  stop(): Promise<number | null>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  isRunning(): boolean;
  /** Resolves with its exit code, null when a signal ended it. */
  readonly ended: Promise<number | null>;
}

/** What `createCell` runs: the program as `npm start` runs it. Call it once before. */
export async function buildProgram(): Promise<void> {
  await promisify(execFile)(process.execPath, [join(root, 'bin/build.ts'), '--if-changed']);
}

export async function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null ? done(address.port) : fail(new Error('no port')),
      );
    });
  });
}

/** Tests share a machine: only the one that is about local endpoints takes its ports and changes its addresses. */
const withoutLocalEndpoints = {
  BERTH_METADATA_ADDRESS: 'none',
  BERTH_INTROSPECTION_PORT: '0',
  BERTH_METRICS_LISTEN: 'none',
};

export function startDaemon(name: 'control' | 'agent', environment: NodeJS.ProcessEnv, logFile: string): Daemon {
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(process.execPath, [...daemonFlags(name), join(root, 'dist/main.js'), name], {
    env: { ...process.env, ...withoutLocalEndpoints, ...environment, ...daemonEnvironment },
    stdio: ['ignore', log, log],
  });
  const ended = new Promise<number | null>((done) => child.once('exit', done));
  return {
    pid: pidOf(child),
    async stop() {
      child.kill('SIGTERM');
      return deadline(systemClock, stopTimeoutMs, `the end of berth ${name}`, ended);
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    isRunning: () => child.exitCode === null && child.signalCode === null,
    ended,
  };
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('the process did not start');
  return child.pid;
}

export interface CellOptions {
  folder: string;
  /** Where control listens; of the machine itself by default. */
  address?: string;
  port: number;
  dockerHost: string;
  control?: NodeJS.ProcessEnv;
  agent?: NodeJS.ProcessEnv;
}

/** One control and one agent that can be killed and started again on the same state. */
export interface Cell {
  readonly url: string;
  readonly ecs: ECSClient;
  startControl(): Daemon;
  startAgent(): Daemon;
  untilReady(): Promise<void>;
  logOf(name: 'control' | 'agent'): Promise<string>;
}

export function createCell(options: CellOptions): Cell {
  const { address = '127.0.0.1' } = options;
  const url = `http://${address}:${options.port}`;
  const logFile = (name: string): string => join(options.folder, `${name}.log`);
  const controlEnvironment = {
    BERTH_HOME: join(options.folder, 'control'),
    BERTH_LISTEN: `${address}:${options.port}`,
    BERTH_ADMIN_ACCESS_KEY_ID: testKey.accessKeyId,
    BERTH_ADMIN_SECRET_ACCESS_KEY: testKey.secretAccessKey,
    BERTH_AGENT_TOKEN: agentToken,
    ...options.control,
  };
  const agentEnvironment = {
    ECS_DATADIR: join(options.folder, 'agent'),
    BERTH_CONTROL_URL: `ws://127.0.0.1:${options.port}/agent`,
    BERTH_AGENT_TOKEN: agentToken,
    DOCKER_HOST: options.dockerHost,
    ECS_IMAGE_PULL_BEHAVIOR: 'prefer-cached',
    ...options.agent,
  };
  return {
    url,
    ecs: new ECSClient({ endpoint: url, region: 'us-east-1', credentials: testKey, maxAttempts: 5 }),
    startControl: () => startDaemon('control', controlEnvironment, logFile('control')),
    startAgent: () => startDaemon('agent', agentEnvironment, logFile('agent')),
    untilReady: () => deadline(systemClock, readyTimeoutMs, 'the start of control', untilAnswers(`${url}/readyz`)),
    logOf: (name) => readFile(logFile(name), 'utf8'),
  };
}

async function untilAnswers(url: string): Promise<void> {
  for (;;) {
    try {
      if ((await fetch(url)).ok) return;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    await systemClock.sleep(20);
  }
}

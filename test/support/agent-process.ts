/** A real agent process on the real engine, with a state folder of its own; it and everything it made is gone when the test is over. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDockerEngine, type DockerEngine } from '#agent/engine/docker.ts';
import { machineLabel, taskArnLabel } from '#agent/tasks/container-config.ts';
import type { ContainerObservation } from '#agent/tasks/container-spec.ts';
import { systemClock } from '#lib/clock.ts';
import type { TaskState } from '#protocol/session/messages.ts';
import { testDockerHost } from './docker-test-engine.ts';
import {
  startFakeControlServer,
  type FakeControlServer,
  type FakeControlServerOptions,
} from './fake-control-server.ts';
import { agentToken, buildProgram, startDaemon, type Daemon } from './processes.ts';
import { eventually } from './real-cell.ts';
import { taskVolumesIn } from './task-volumes.ts';
import { ensureTestImage } from './test-images.ts';

export interface AgentProcess {
  readonly control: FakeControlServer;
  readonly engine: DockerEngine;
  readonly folder: string;
  start(environment?: NodeJS.ProcessEnv): void;
  /** Of the life that was started last. */
  pid(): number;
  isRunning(): boolean;
  /** Resolves with the exit code of that life, null when a signal ended it. */
  ended(): Promise<number | null>;
  kill(): Promise<void>;
  stop(): Promise<number | null>;
  log(): string;
  /**
   * RUNNING is told, and the programs of its containers have set their traps: until then the kernel keeps signals from a first process. Only for
   * programs that set one.
   */
  untilUp(taskArn: string, limitMs?: number): Promise<TaskState>;
  /** All containers of this agent, of one task when given. */
  containers(taskArn?: string): Promise<ContainerObservation[]>;
  close(): Promise<void>;
}

export interface AgentProcessOptions extends FakeControlServerOptions {
  /** The machine's by default; any other ends with the test, and with it all that the agent made there. */
  dockerHost?: string;
  /** Where the agent finds it, when that is not where the test does. */
  agentDockerHost?: string;
  /** Its folder for state; stays the caller's. */
  dataFolder?: string;
}

export async function openAgentProcess(options: AgentProcessOptions = {}): Promise<AgentProcess> {
  const { dockerHost = testDockerHost, agentDockerHost = dockerHost } = options;
  const engine = createDockerEngine({ dockerHost, clock: systemClock });
  await buildProgram();
  await ensureTestImage(engine);
  const home = mkdtempSync(join(tmpdir(), 'berth-agent-'));
  const folder = options.dataFolder ?? home;
  const control = await startFakeControlServer(options);
  const logFile = join(home, 'agent.log');
  let daemon: Daemon | undefined;

  function started(): Daemon {
    if (daemon === undefined) throw new Error('the agent was not started');
    return daemon;
  }

  async function containers(taskArn?: string): Promise<ContainerObservation[]> {
    const machineId = readFileSync(join(folder, 'machine-id'), 'utf8').trim();
    const listed = await engine.list({
      [machineLabel]: machineId,
      ...(taskArn === undefined ? {} : { [taskArnLabel]: taskArn }),
    });
    const observed = await Promise.all(listed.map(({ id }) => engine.inspect(id)));
    return observed.filter((one) => one !== undefined);
  }

  async function untilUp(taskArn: string, limitMs?: number): Promise<TaskState> {
    const told = await control.until(taskArn, ({ lastStatus }) => lastStatus === 'RUNNING', limitMs);
    await eventually('the traps of a container', async () => {
      const pids = (await containers(taskArn)).flatMap(({ pid }) => pid ?? []);
      return pids.length > 0 && pids.every(hasTrap);
    });
    return told;
  }

  return {
    control,
    engine,
    folder,
    start(environment = {}) {
      daemon = startDaemon(
        'agent',
        {
          BERTH_CONTROL_URL: control.url,
          BERTH_AGENT_TOKEN: agentToken,
          ECS_DATADIR: folder,
          DOCKER_HOST: agentDockerHost,
          ECS_LOGLEVEL: 'debug',
          ...environment,
        },
        logFile,
      );
    },
    pid: () => started().pid,
    isRunning: () => started().isRunning(),
    ended: () => started().ended,
    kill: async () => daemon?.kill(),
    stop: async () => daemon?.stop() ?? null,
    log: () => readFileSync(logFile, 'utf8'),
    untilUp,
    containers,
    async close() {
      await daemon?.kill();
      await control.close();
      if (dockerHost === testDockerHost) {
        await Promise.all((await containers()).map(({ id }) => engine.remove(id)));
        for (const name of taskVolumesIn(folder)) await engine.removeVolume(name);
      }
      engine.close();
      rmSync(home, { recursive: true });
    },
  };
}

/** Whether a process handles SIGTERM or SIGUSR1. The runtime's own, which becomes the program a moment after the start, handles every signal. */
function hasTrap(pid: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  if (/^Name:\s*runc/m.test(status)) return false;
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  const [term, usr1] = [1n << 14n, 1n << 9n];
  return (BigInt(`0x${caught}`) & (term | usr1)) !== 0n;
}

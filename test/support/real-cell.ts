/**
 * Control, agent and the machine's engine together, for end-to-end tests. Invariant: `close` stops both daemons, removes every container the agent made,
 * and fails when anything was left that should not be.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DescribeServicesCommand,
  DescribeTasksCommand,
  ListContainerInstancesCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  type ContainerDefinition,
  type ListTasksCommandInput,
  type Service,
  type Task,
} from '@aws-sdk/client-ecs';
import { createDockerEngine, type DockerEngine } from '#agent/engine/docker.ts';
import { createTaskCgroups } from '#agent/host/task-cgroups.ts';
import { systemClock } from '#lib/clock.ts';
import { arnId } from '#model/arn.ts';
import { buildProgram, createCell, freePort, type Cell, type Daemon } from './processes.ts';
import { taskVolumesIn } from './task-volumes.ts';
import { buildTestImage, testImage } from './test-images.ts';

export interface OwnedContainer {
  id: string;
  taskArn: string;
  containerName: string;
}

/** What tests ask of control, and tell it. */
export interface CellReading {
  register(family: string, container: Partial<ContainerDefinition>): Promise<string>;
  tasks(filter: Omit<ListTasksCommandInput, 'cluster'>): Promise<Task[]>;
  task(arn: string): Promise<Task>;
  service(name: string): Promise<Service>;
}

export interface RealCell extends Cell, CellReading {
  readonly folder: string;
  readonly engine: DockerEngine;
  control: Daemon;
  agent: Daemon;
  /** Containers of this cell's tasks, running or not. */
  containers(): Promise<OwnedContainer[]>;
  close(): Promise<void>;
}

const defaultWaitMs = 60_000;
const defaultPauseMs = 25;

/** Looks until `look` answers something; fails with `what` when it does not in time. Errors of a daemon that is being restarted count as nothing yet. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  waitMs = defaultWaitMs,
  pauseMs = defaultPauseMs,
): Promise<T> {
  const limit = systemClock.now() + waitMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      last = found;
    } catch (error) {
      last = error;
    }
    if (systemClock.now() > limit) throw new Error(`${what}: not within ${waitMs / 1000} s`, { cause: last });
    await systemClock.sleep(pauseMs);
  }
}

export async function openRealCell(
  options: {
    control?: NodeJS.ProcessEnv;
    agent?: NodeJS.ProcessEnv;
    /** With control ready, before the agent is started. */
    prepare?(cell: Cell, folder: string): Promise<void>;
  } = {},
): Promise<RealCell> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-e2e-'));
  const dockerHost = process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
  await buildProgram();
  await buildTestImage(dockerHost);
  const engine = createDockerEngine({ dockerHost, clock: systemClock });
  const cell = createCell({
    folder,
    port: await freePort(),
    dockerHost,
    control: { BERTH_HEALTHY_AFTER: '1', ...options.control },
    // No two cells on one machine may think a port of another is free to reserve.
    agent: { ...options.agent },
  });
  const control = cell.startControl();
  await cell.untilReady();
  await options.prepare?.(cell, folder);
  const agent = cell.startAgent();
  const real: RealCell = {
    ...cell,
    folder,
    engine,
    control,
    agent,
    ...readingOf(cell),
    containers: () => containersOf(engine, folder),
    close: () => close(real),
  };
  await eventually('the agent to register', async () => {
    const { containerInstanceArns = [] } = await cell.ecs.send(
      new ListContainerInstancesCommand({ filter: 'agentConnected == true' }),
    );
    return containerInstanceArns.length === 1;
  });
  return real;
}

async function containersOf(engine: DockerEngine, folder: string): Promise<OwnedContainer[]> {
  const log = await readFile(join(folder, 'agent.log'), 'utf8');
  const machineId = /"machineId":"([^"]+)"/u.exec(log)?.[1];
  if (machineId === undefined) throw new Error(`no machineId in ${folder}/agent.log`);
  const list = await engine.list({ 'berth.machine-id': machineId });
  return list.map(({ id, labels }) => ({
    id,
    taskArn: labels['com.amazonaws.ecs.task-arn'] ?? '',
    containerName: labels['com.amazonaws.ecs.container-name'] ?? '',
  }));
}

export function readingOf(cell: Pick<Cell, 'ecs'>): CellReading {
  return {
    async register(family: string, container: Partial<ContainerDefinition>): Promise<string> {
      const definition = {
        name: 'main',
        image: testImage,
        command: ['sleep', '3600'],
        memory: 16,
        cpu: 8,
        ...container,
      };
      const { taskDefinition } = await cell.ecs.send(
        new RegisterTaskDefinitionCommand({ family, containerDefinitions: [definition] }),
      );
      return taskDefinition?.taskDefinitionArn ?? '';
    },
    async tasks(filter: Omit<ListTasksCommandInput, 'cluster'>): Promise<Task[]> {
      const { taskArns = [] } = await cell.ecs.send(new ListTasksCommand(filter));
      if (taskArns.length === 0) return [];
      return (await cell.ecs.send(new DescribeTasksCommand({ tasks: taskArns }))).tasks ?? [];
    },
    async task(arn: string): Promise<Task> {
      const { tasks: [task] = [] } = await cell.ecs.send(new DescribeTasksCommand({ tasks: [arn] }));
      if (task === undefined) throw new Error(`no task ${arn}`);
      return task;
    },
    async service(name: string): Promise<Service> {
      const { services: [service] = [] } = await cell.ecs.send(new DescribeServicesCommand({ services: [name] }));
      if (service === undefined) throw new Error(`no service ${name}`);
      return service;
    },
  };
}

async function close(real: RealCell): Promise<void> {
  await real.agent.stop();
  await real.control.stop();
  const owned = await real.containers();
  for (const { id } of owned) await real.engine.remove(id);
  const machineId = (await readFile(join(real.folder, 'agent/machine-id'), 'utf8')).trim();
  for (const { name, labels } of await real.engine.listNetworks()) {
    if (labels['berth.machine-id'] === machineId) await real.engine.removeNetwork(name);
  }
  const cgroups = createTaskCgroups({ engine: real.engine, local: true });
  for (const taskArn of new Set(owned.map((one) => one.taskArn))) await cgroups.remove(arnId(taskArn));
  for (const name of taskVolumesIn(join(real.folder, 'agent'))) await real.engine.removeVolume(name);
  real.engine.close();
  real.ecs.destroy();
  await rm(real.folder, { recursive: true, force: true });
}

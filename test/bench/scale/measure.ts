/** One size, from an empty database to its end: instances join, services are placed, the API is asked, a part of the machines fails. */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#lib/clock.ts';
import { agentToken } from '#test/support/processes.ts';
import { cpuSeconds, memoryOf } from '../process-cost.ts';
import { note } from '../table.ts';
import { startAgents, type Agents } from './agents.ts';
import { createApiClient, type ApiClient } from './api-client.ts';
import { startApiLoad, type Latencies } from './api-load.ts';
import { startControlProcess, type ControlProcess, type ControlProcessOptions } from './control-process.ts';
import type { Counters } from './simulated-agent.ts';

const family = 'scale';
/** ECS's most tasks of a service. */
const largestService = 5000;
const smallestServices = 20;
const pollMs = 50;
const heartbeatSeconds = 10;
/** How long an agent is silent before its tasks are given up; the bench does not wait the usual minute. */
export const lostAfterSeconds = 10;

export interface Size {
  readonly instances: number;
  readonly tasks: number;
  /** How many instances fail at once at the end; 0 leaves that out. */
  readonly failing: number;
  /** How long each figure at rest and under load is taken for. */
  readonly seconds: number;
  readonly waitSeconds: number;
}

export interface Measurement {
  readonly size: Size;
  readonly joinSeconds: number;
  /** Share of a core, in percent, with agents that have nothing to do. */
  readonly idleEmptyPercent: number;
  readonly services: number;
  /** From the first CreateService until every task's RUNNING is durable at control. */
  readonly allRunningSeconds: number;
  readonly tasksPerSecond: number;
  readonly controlCpuSeconds: number;
  readonly agentsCpuSeconds: number;
  readonly whilePlacing: Latencies;
  readonly atRest: Latencies;
  readonly idlePercent: number;
  /** Processor time of control for a heartbeat of an agent and its own to it. */
  readonly heartbeatMicros: number;
  readonly residentMiB: number;
  readonly peakMiB: number;
  readonly databaseMiB: number;
  /** From the failure until as many tasks run as before, all elsewhere; undefined when none failed. */
  readonly failover?: { readonly tasks: number; readonly seconds: number };
  /** Sessions that ended although nobody ended them. */
  readonly lostSessions: number;
}

interface Scene {
  readonly size: Size;
  readonly control: ControlProcess;
  readonly agents: Agents;
  readonly api: ApiClient;
}

export type ControlSettings = Pick<ControlProcessOptions, 'profileFolder' | 'flags'>;

/** When `interrupted` rejects, everything that was started is ended first. */
export async function measure(
  size: Size,
  settings: ControlSettings,
  interrupted: Promise<never>,
): Promise<Measurement> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-scale-'));
  try {
    const control = await startControlProcess({ ...settings, folder, lostAfterSeconds });
    const agents = startAgents();
    const api = createApiClient(control.url);
    try {
      return await Promise.race([measureScene({ size, control, agents, api }), interrupted]);
    } finally {
      api.close();
      await agents.close();
      await control.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureScene(scene: Scene): Promise<Measurement> {
  const { size, control, agents } = scene;
  const began = performance.now();
  await agents.connect(control.url, agentToken, size.instances);
  const joinSeconds = secondsSince(began);
  note(`  ${size.instances} instances joined in ${joinSeconds.toFixed(1)} s`);
  await systemClock.sleep(2000);
  const idleEmptyPercent = (await cpuOver(control.pid, size.seconds)) * 100;

  const placed = await place(scene);
  note(`  ${size.tasks} tasks RUNNING in ${placed.allRunningSeconds.toFixed(1)} s`);
  const load = startApiLoad({ api: scene.api, family, withRunTask: true });
  await systemClock.sleep(size.seconds * 1000);
  const atRest = await load.stop();
  // New tasks still cost a look when they have been running for a while.
  await systemClock.sleep(2000);
  const idle = await cpuOver(control.pid, Math.max(size.seconds, heartbeatSeconds));
  const { residentMiB, peakMiB } = await memoryOf(control.pid);
  const databaseMiB = await databaseSize(control);
  const failover = size.failing === 0 ? {} : { failover: await failSome(scene) };
  const { lost } = await agents.counters();
  return {
    size,
    joinSeconds,
    idleEmptyPercent,
    ...placed,
    atRest,
    idlePercent: idle * 100,
    heartbeatMicros: (1e6 * idle * heartbeatSeconds) / size.instances,
    residentMiB,
    peakMiB,
    databaseMiB,
    ...failover,
    lostSessions: Object.values(lost).reduce((sum, count) => sum + count, 0),
  };
}

async function place({ size, control, agents, api }: Scene) {
  await api.call('RegisterTaskDefinition', {
    family,
    networkMode: 'bridge',
    containerDefinitions: [
      {
        name: 'main',
        image: 'registry.example/team/web@sha256:' + 'a'.repeat(64),
        cpu: 64,
        memory: 128,
        environment: [
          { name: 'LEVEL', value: 'info' },
          { name: 'REGION', value: 'us-east-1' },
        ],
        portMappings: [{ containerPort: 8080, hostPort: 0 }],
      },
    ],
  });
  const services = Math.max(Math.min(smallestServices, size.tasks), Math.ceil(size.tasks / largestService));
  const load = startApiLoad({ api, family, withRunTask: false });
  const cpuBefore = [await cpuSeconds(control.pid), await cpuSeconds(agents.pid)] as const;
  const began = performance.now();
  for (let index = 0; index < services; index += 1) {
    const desiredCount =
      Math.floor(((index + 1) * size.tasks) / services) - Math.floor((index * size.tasks) / services);
    await api.call('CreateService', { serviceName: `service-${index}`, taskDefinition: family, desiredCount });
  }
  await until(agents, 'the tasks to run', ({ serviceTasks }) => serviceTasks >= size.tasks, size.waitSeconds);
  const allRunningSeconds = secondsSince(began);
  const whilePlacing = await load.stop();
  return {
    services,
    allRunningSeconds,
    tasksPerSecond: size.tasks / allRunningSeconds,
    controlCpuSeconds: (await cpuSeconds(control.pid)) - cpuBefore[0],
    agentsCpuSeconds: (await cpuSeconds(agents.pid)) - cpuBefore[1],
    whilePlacing,
  };
}

async function failSome({ size, agents }: Scene): Promise<NonNullable<Measurement['failover']>> {
  const before = (await agents.counters()).serviceTasks;
  const began = performance.now();
  await agents.fail(size.failing);
  await until(agents, 'the machines to fail', ({ connected }) => connected <= size.instances - size.failing, 30);
  const left = (await agents.counters()).serviceTasks;
  await until(agents, 'the tasks to run elsewhere', ({ serviceTasks }) => serviceTasks >= size.tasks, size.waitSeconds);
  const seconds = secondsSince(began);
  note(`  ${before - left} tasks of ${size.failing} instances run elsewhere after ${seconds.toFixed(1)} s`);
  return { tasks: before - left, seconds };
}

async function until(
  agents: Agents,
  what: string,
  isDone: (counters: Counters) => boolean,
  waitSeconds: number,
): Promise<void> {
  const limit = performance.now() + waitSeconds * 1000;
  let told = performance.now();
  for (;;) {
    const counters = await agents.counters();
    if (isDone(counters)) return;
    if (performance.now() > limit) {
      throw new Error(`waited ${waitSeconds} s for ${what}: ${JSON.stringify(counters)}`);
    }
    if (performance.now() - told > 10_000) {
      told = performance.now();
      note(
        `  ${counters.serviceTasks} tasks run on ${counters.connected} instances, ${counters.assigned} were assigned`,
      );
    }
    await systemClock.sleep(pollMs);
  }
}

/** Processor time as a share of one core. */
async function cpuOver(pid: number, seconds: number): Promise<number> {
  const before = await cpuSeconds(pid);
  const began = performance.now();
  await systemClock.sleep(seconds * 1000);
  return ((await cpuSeconds(pid)) - before) / secondsSince(began);
}

async function databaseSize({ folder }: ControlProcess): Promise<number> {
  const home = join(folder, 'control');
  const names = (await readdir(home)).filter((name) => name.startsWith('control.sqlite'));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(home, name))).size));
  return sizes.reduce((sum, bytes) => sum + bytes, 0) / 1024 / 1024;
}

function secondsSince(began: number): number {
  return (performance.now() - began) / 1000;
}

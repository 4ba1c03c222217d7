/**
 * What an agent takes of its machine: memory with more and more running containers, processor time while they run and nothing happens, and whether
 * tasks that have come and gone leave anything behind in it. Figures are the kernel's. Containers are as light as there are, since theirs do not count.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  DescribeServicesCommand,
  ListTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs';
import { createDockerEngine } from '#agent/engine/docker.ts';
import { machineLabel } from '#agent/tasks/container-config.ts';
import { systemClock } from '#lib/clock.ts';
import type { OwnEngine } from '#test/support/own-engine.ts';
import { createCell, freePort, type Cell } from '#test/support/processes.ts';
import { testImage } from '#test/support/test-images.ts';
import { until, untilConnected } from './berth.ts';
import { measureIdle, memoryOf, type Memory } from './process-cost.ts';
import { note, type Row } from './table.ts';

/** How many containers run when memory is read. */
const levels = [0, 50, 200] as const;
const idleWith = 50;
const tasksOfRound = 200;
const mostAtOnce = 10;
const targets = { baseMiB: 60, containerMiB: 0.1, cpuPercent: 1, growthMiB: 2 };
const waitMs = 20 * 60_000;
const pollMs = 500;
const service = 'agent-cost';

export interface AgentCost {
  levels: { containers: number; memory: Memory }[];
  /** With 50 containers, of one core. */
  cpuPercent: number;
  /** After each round of tasks that came and went. */
  rounds: Memory[];
}

export interface AgentCostEffort {
  /** How long nothing happens before memory is read. */
  restSeconds: number;
  rounds: number;
}

export async function measureAgentCost(engine: OwnEngine, folder: string, effort: AgentCostEffort): Promise<AgentCost> {
  await mkdir(folder);
  const [port, metrics, introspection] = [await freePort(), await freePort(), await freePort()];
  const cell = createCell({
    folder,
    port,
    dockerHost: engine.host,
    control: { BERTH_LOG_LEVEL: 'warn' },
    agent: {
      ECS_LOGLEVEL: 'warn',
      ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION: '1s',
      // All that a machine's agent offers, but for the address that only one can have.
      BERTH_METRICS_LISTEN: `127.0.0.1:${metrics}`,
      BERTH_INTROSPECTION_PORT: String(introspection),
    },
  });
  const control = cell.startControl();
  await cell.untilReady();
  const agent = cell.startAgent();
  try {
    await untilConnected(cell);
    await register(cell, 'lasting', ['sleep', '86400']);
    await register(cell, 'passing', ['true']);
    const cost: AgentCost = { levels: [], cpuPercent: Number.NaN, rounds: [] };
    for (const containers of levels) {
      if (containers > 0) await runService(cell, containers);
      note(`${containers} containers, at rest for ${effort.restSeconds} s`);
      const { cpuPercent } = await measureIdle([agent.pid], effort.restSeconds);
      cost.levels.push({ containers, memory: await memoryOf(agent.pid) });
      if (containers === idleWith) cost.cpuPercent = cpuPercent;
    }
    await endService(cell, engine, folder);
    for (let round = 1; round <= effort.rounds; round += 1) {
      note(`${tasksOfRound} tasks to their end and away, round ${round} of ${effort.rounds}`);
      await runToTheEnd(cell, engine, folder);
      await systemClock.sleep(effort.restSeconds * 1000);
      cost.rounds.push(await memoryOf(agent.pid));
    }
    return cost;
  } finally {
    await agent.stop();
    await control.stop();
  }
}

async function register({ ecs }: Cell, family: string, command: string[]): Promise<void> {
  const containerDefinitions = [{ name: 'main', image: testImage, command, memory: 6 }];
  await ecs.send(new RegisterTaskDefinitionCommand({ family, networkMode: 'host', containerDefinitions }));
}

async function runService({ ecs }: Cell, desiredCount: number): Promise<void> {
  const request = { service, taskDefinition: 'lasting', desiredCount };
  const { services: [known] = [] } = await ecs.send(new DescribeServicesCommand({ services: [service] }));
  if (known === undefined) await ecs.send(new CreateServiceCommand({ ...request, serviceName: service }));
  else await ecs.send(new UpdateServiceCommand(request));
  await until(
    `${desiredCount} tasks RUNNING`,
    async () => {
      const { services: [described] = [] } = await ecs.send(new DescribeServicesCommand({ services: [service] }));
      return described?.runningCount === desiredCount ? true : undefined;
    },
    { pollMs, waitMs },
  );
}

async function endService({ ecs }: Cell, engine: OwnEngine, folder: string): Promise<void> {
  await ecs.send(new DeleteServiceCommand({ service, force: true }));
  await untilClean(engine, folder);
}

async function runToTheEnd({ ecs }: Cell, engine: OwnEngine, folder: string): Promise<void> {
  for (let started = 0; started < tasksOfRound; started += mostAtOnce) {
    const { failures = [] } = await ecs.send(
      new RunTaskCommand({ taskDefinition: 'passing', count: mostAtOnce, startedBy: service }),
    );
    if (failures.length > 0) throw new Error(`RunTask placed too little: ${JSON.stringify(failures)}`);
  }
  await until(
    'the end of all tasks',
    async () => {
      const { taskArns = [] } = await ecs.send(
        new ListTasksCommand({ startedBy: service, desiredStatus: 'RUNNING', maxResults: 1 }),
      );
      return taskArns.length === 0 ? true : undefined;
    },
    { pollMs, waitMs },
  );
  await untilClean(engine, folder);
}

/** No container of this agent is left on the engine, stopped ones included. Those of a measurement before are nobody's business here. */
async function untilClean({ host }: OwnEngine, folder: string): Promise<void> {
  const machineId = (await readFile(join(folder, 'agent/machine-id'), 'utf8')).trim();
  const engine = createDockerEngine({ dockerHost: host, clock: systemClock });
  try {
    const isClean = async (): Promise<true | undefined> =>
      (await engine.list({ [machineLabel]: machineId })).length === 0 ? true : undefined;
    await until('the cleaning of all tasks', isClean, { pollMs, waitMs });
  } finally {
    engine.close();
  }
}

export function agentCostRows(cost: AgentCost): Row[] {
  const [first, last] = [cost.rounds.at(0)?.residentMiB ?? Number.NaN, cost.rounds.at(-1)?.residentMiB ?? Number.NaN];
  return [
    ...cost.levels.map(({ containers, memory }) => ({
      what: `agent, ${containers} containers`,
      ours: `${memory.residentMiB.toFixed(1)} MiB`,
      reference: 'resident',
      value: memory.residentMiB,
      target: targets.baseMiB + targets.containerMiB * containers,
      unit: ' MiB',
    })),
    {
      what: `agent, idle with ${idleWith}`,
      ours: `${cost.cpuPercent.toFixed(2)} %`,
      reference: 'of one core',
      value: cost.cpuPercent,
      target: targets.cpuPercent,
      unit: ' %',
    },
    {
      what: `agent, growth`,
      ours: cost.rounds.map(({ residentMiB }) => residentMiB.toFixed(1)).join(' '),
      reference: `MiB after each ${tasksOfRound} tasks; from first to last`,
      value: last - first,
      target: targets.growthMiB,
      unit: ' MiB',
    },
  ];
}

/** What of it is the agent's own. */
export function memoryLines(cost: AgentCost): string[] {
  return cost.levels.map(
    ({ containers, memory }) =>
      `agent, ${containers} containers: ${memory.anonymousMiB.toFixed(1)} MiB of its own, ${memory.fileMiB.toFixed(1)} MiB of files, shared by all that run them`,
  );
}

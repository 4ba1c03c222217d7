/** The service that most tests of several hosts watch: tasks that serve until they are told to end, and sentences about where they are. */
import {
  CreateServiceCommand,
  DescribeContainerInstancesCommand,
  ListContainerInstancesCommand,
  RunTaskCommand,
  TagResourceCommand,
  waitUntilServicesStable,
  type ContainerInstance,
} from '@aws-sdk/client-ecs';
import { programs } from '../container-programs.ts';
import { eventually } from '../real-cell.ts';
import { hostAttribute, type Fleet } from './fleet.ts';
import type { RunningContainer } from './host.ts';

export const web = 'web';
const serving = { command: [...programs.stopsGracefully.command], stopTimeout: 3 };

/** Resolves when all of its tasks run. `lostAfterSeconds`: when other than the cluster's. */
export async function startWeb(fleet: Fleet, desiredCount: number, lostAfterSeconds?: number): Promise<void> {
  await fleet.register(web, serving);
  const { service } = await fleet.ecs.send(
    new CreateServiceCommand({ serviceName: web, taskDefinition: web, desiredCount }),
  );
  if (lostAfterSeconds !== undefined) {
    const tags = [{ key: 'berth:lost-after', value: `${lostAfterSeconds}s` }];
    await fleet.ecs.send(new TagResourceCommand({ resourceArn: service?.serviceArn, tags }));
  }
  await waitUntilServicesStable({ client: fleet.ecs, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { services: [web] });
}

/** Another revision of the same. */
export async function newRevision(fleet: Fleet, number: number): Promise<string> {
  return fleet.register(web, { ...serving, environment: [{ name: 'REVISION', value: String(number) }] });
}

/** How many run on each host, by the engines. */
export function countsByHost(running: readonly RunningContainer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { host } of running) counts[host] = (counts[host] ?? 0) + 1;
  return counts;
}

/** Those that ran before and have gone on without a restart. */
export function undisturbed(
  before: readonly RunningContainer[],
  after: readonly RunningContainer[],
): RunningContainer[] {
  return before.filter(({ id, startedAt }) => after.some((one) => one.id === id && one.startedAt === startedAt));
}

/**
 * What every fault has to come to once it is over: all agents connected, the service steady with the tasks it wants, each RUNNING task with its one container,
 * and no container without its task. Answers what runs.
 */
export async function untilConverged(fleet: Fleet, waitMs?: number): Promise<RunningContainer[]> {
  return eventually(
    'the fleet at rest',
    async () => {
      if ((await fleet.connectedAgents()) !== fleet.hosts.length) return false;
      const { desiredCount, runningCount, pendingCount, deployments } = await fleet.service(web);
      if (runningCount !== desiredCount || pendingCount !== 0 || deployments?.length !== 1) return false;
      const tasks = await fleet.tasks({ serviceName: web });
      if (tasks.length !== desiredCount || tasks.some(({ lastStatus }) => lastStatus !== 'RUNNING')) return false;
      const running = await fleet.running();
      const ofTasks = tasks.map(({ taskArn = '' }) => taskArn).toSorted();
      const inContainers = running.map(({ taskArn }) => taskArn).toSorted();
      return JSON.stringify(ofTasks) === JSON.stringify(inContainers) && running;
    },
    waitMs,
  );
}

/** That of a host, by its name. */
export async function instanceOf(fleet: Fleet, host: string): Promise<ContainerInstance> {
  const { containerInstanceArns: containerInstances } = await fleet.ecs.send(new ListContainerInstancesCommand({}));
  const described = await fleet.ecs.send(new DescribeContainerInstancesCommand({ containerInstances }));
  const found = described.containerInstances?.find(({ attributes }) =>
    attributes?.some(({ name, value }) => name === hostAttribute && value === host),
  );
  if (found === undefined) throw new Error(`${host} has no instance`);
  return found;
}

/** Runs a task on the host to its end, which takes both ways between control and its agent. */
export async function runsThere(fleet: Fleet, host: string): Promise<void> {
  const taskDefinition = await fleet.register('probe', { command: [...programs.succeeds.command] });
  const placementConstraints = [{ type: 'memberOf' as const, expression: `attribute:${hostAttribute} == ${host}` }];
  const { tasks } = await fleet.ecs.send(new RunTaskCommand({ taskDefinition, placementConstraints }));
  const arn = tasks?.[0]?.taskArn ?? '';
  await eventually(`a task on ${host}`, async () => (await fleet.task(arn)).lastStatus === 'STOPPED');
}

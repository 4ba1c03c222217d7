/** The sample service of a development cluster: three tasks that serve a page, fetched from each through its host port. */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  CreateServiceCommand,
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  ListTaskDefinitionsCommand,
  RegisterTaskDefinitionCommand,
  UpdateServiceCommand,
  type ContainerInstance,
  type Task,
  type TaskDefinition,
} from '@aws-sdk/client-ecs';
import { readTaskDefinition } from '../commands/taskdef.ts';
import type { CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { fetchWithin } from '../fetch-within.ts';
import { definitionName, shortId } from '../format.ts';
import { listInstances, listTasks } from '../lookup.ts';
import { hostAttributes } from './hosts/cluster.ts';

export const sampleService = 'berth-sample';
const desiredCount = 3;
const fetchTimeoutMs = 10_000;

/** Sees to it that the sample's task definition is registered and that the service wants three tasks of it. Answers `family:revision`. */
export async function ensureSampleService(context: CliContext): Promise<string> {
  const name = await ensureSampleDefinition(context);
  const described = await context.ecs().send(new DescribeServicesCommand({ services: [sampleService] }));
  const exists = described.services?.some((service) => service.status === 'ACTIVE') === true;
  await (exists
    ? context.ecs().send(new UpdateServiceCommand({ service: sampleService, desiredCount, taskDefinition: name }))
    : context.ecs().send(new CreateServiceCommand({ serviceName: sampleService, desiredCount, taskDefinition: name })));
  return name;
}

/** Whether there never was a sample service; one that its owner deleted is still described, as INACTIVE. */
export async function isSampleServiceUnknown(context: CliContext): Promise<boolean> {
  const { services = [] } = await context.ecs().send(new DescribeServicesCommand({ services: [sampleService] }));
  return services.length === 0;
}

/** A new revision only when the file says something else than the newest: a second start must not roll the service. */
async function ensureSampleDefinition(context: CliContext): Promise<string> {
  const wanted = await readTaskDefinition(join(context.environment.root, 'sample/task-definition.json'));
  const newest = await newestDefinition(context, wanted.family ?? '');
  if (newest !== undefined && isDeepStrictEqual(newest.containerDefinitions, wanted.containerDefinitions)) {
    return definitionName(newest.taskDefinitionArn) ?? '';
  }
  const { taskDefinition } = await context.ecs().send(new RegisterTaskDefinitionCommand(wanted));
  return definitionName(taskDefinition?.taskDefinitionArn) ?? '';
}

async function newestDefinition(context: CliContext, familyPrefix: string): Promise<TaskDefinition | undefined> {
  const request = new ListTaskDefinitionsCommand({ familyPrefix, sort: 'DESC', maxResults: 1 });
  const { taskDefinitionArns: [taskDefinition] = [] } = await context.ecs().send(request);
  if (taskDefinition === undefined) return undefined;
  return (await context.ecs().send(new DescribeTaskDefinitionCommand({ taskDefinition }))).taskDefinition;
}

export interface Page {
  taskId: string;
  url: string;
  firstLine: string;
}

/** Fetches the page of every running task of the sample service. */
export async function fetchPages(context: CliContext): Promise<Page[]> {
  const tasks = (await listTasks(context, { serviceName: sampleService })).filter(
    (task) => task.lastStatus === 'RUNNING',
  );
  const instances = await listInstances(context);
  return Promise.all(tasks.map((task) => fetchPage(context, task, addressOf(task, instances))));
}

/** Of the host that it runs on, when that is not this machine itself. */
function addressOf({ containerInstanceArn }: Task, instances: readonly ContainerInstance[]): string {
  const instance = instances.find((one) => one.containerInstanceArn === containerInstanceArn);
  return instance?.attributes?.find(({ name }) => name === hostAttributes.address)?.value ?? '127.0.0.1';
}

async function fetchPage(context: CliContext, task: Task, address: string): Promise<Page> {
  const port = task.containers?.[0]?.networkBindings?.[0]?.hostPort;
  const taskId = shortId(task.taskArn) ?? '';
  if (port === undefined)
    throw new CliError(`task ${taskId} runs but has no host port`, { next: `see \`berth task show ${taskId}\`` });
  const url = `http://${address}:${port}/`;
  const deadline = context.clock.now() + fetchTimeoutMs;
  for (;;) {
    try {
      const response = await fetchWithin(context, url, 2000);
      const text = await response.text();
      if (response.ok) return { taskId, url, firstLine: text.trim().split('\n')[0] ?? '' };
      throw new CliError(`${url} answered HTTP ${response.status}`);
    } catch (error) {
      // A container runs a moment before its server listens.
      if (context.clock.now() > deadline)
        throw new CliError(`task ${taskId} does not serve its page at ${url}`, {
          cause: error,
          next: `see \`berth task logs ${taskId}\``,
        });
      await context.clock.sleep(100, context.signal);
    }
  }
}

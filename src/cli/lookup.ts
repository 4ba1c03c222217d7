/** Finding what a person named: whole lists over pages, tasks and instances by a prefix of their id. */
import {
  DescribeContainerInstancesCommand,
  DescribeServiceDeploymentsCommand,
  DescribeServiceRevisionsCommand,
  DescribeServicesCommand,
  DescribeTasksCommand,
  ListServiceDeploymentsCommand,
  paginateListContainerInstances,
  paginateListServices,
  paginateListTasks,
  type ContainerInstance,
  type ListTasksCommandInput,
  type Service,
  type ServiceDeployment,
  type ServiceDeploymentBrief,
  type ServiceRevision,
  type Task,
} from '@aws-sdk/client-ecs';
import type { CliContext } from './context.ts';
import { CliError } from './errors.ts';
import { shortId } from './format.ts';

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

async function listTaskArns(context: CliContext, filter: Omit<ListTasksCommandInput, 'cluster'>): Promise<string[]> {
  const arns: string[] = [];
  for await (const page of paginateListTasks({ client: context.ecs() }, { cluster: context.cluster, ...filter }))
    arns.push(...(page.taskArns ?? []));
  return arns;
}

export async function describeTasks(context: CliContext, arns: readonly string[]): Promise<Task[]> {
  const tasks: Task[] = [];
  for (const part of chunks(arns, 100)) {
    const answer = await context
      .ecs()
      .send(new DescribeTasksCommand({ cluster: context.cluster, tasks: part, include: ['TAGS'] }));
    tasks.push(...(answer.tasks ?? []));
  }
  return tasks;
}

export async function listTasks(context: CliContext, filter: Omit<ListTasksCommandInput, 'cluster'>): Promise<Task[]> {
  return describeTasks(context, await listTaskArns(context, filter));
}

/** One task by ARN, id, or a prefix of its id that only one task has, stopped ones included. */
export async function findTask(context: CliContext, name: string): Promise<Task> {
  if (name.startsWith('arn:') || /^[0-9a-f]{32}$/u.test(name)) {
    const [task] = await describeTasks(context, [name]);
    if (task === undefined) throw noTask(context, name);
    return task;
  }
  const arns = [...(await listTaskArns(context, {})), ...(await listTaskArns(context, { desiredStatus: 'STOPPED' }))];
  const arn = onlyMatch(arns, name, 'task');
  const [task] = arn === undefined ? [] : await describeTasks(context, [arn]);
  if (task === undefined) throw noTask(context, name);
  return task;
}

function noTask(context: CliContext, name: string): CliError {
  return new CliError(`no task ${name} in cluster ${context.cluster}`, {
    next: 'see `berth task list` and `berth task list --stopped`; a stopped task is kept for some days only',
  });
}

function onlyMatch(arns: readonly string[], prefix: string, kind: string): string | undefined {
  const matches = arns.filter((arn) => shortId(arn)?.startsWith(prefix) === true);
  if (matches.length > 1) {
    throw new CliError(`${matches.length} ${kind}s begin with ${prefix}: ${matches.map(shortId).join(', ')}`, {
      next: 'give more of the id',
    });
  }
  return matches[0];
}

export async function listInstances(context: CliContext): Promise<ContainerInstance[]> {
  const arns: string[] = [];
  for await (const page of paginateListContainerInstances({ client: context.ecs() }, { cluster: context.cluster })) {
    arns.push(...(page.containerInstanceArns ?? []));
  }
  const instances: ContainerInstance[] = [];
  for (const part of chunks(arns, 100)) {
    const answer = await context.ecs().send(
      new DescribeContainerInstancesCommand({
        cluster: context.cluster,
        containerInstances: part,
        include: ['TAGS', 'CONTAINER_INSTANCE_HEALTH'],
      }),
    );
    instances.push(...(answer.containerInstances ?? []));
  }
  return instances;
}

export async function findInstance(context: CliContext, name: string): Promise<ContainerInstance> {
  const instances = await listInstances(context);
  const arns = instances.flatMap((instance) => instance.containerInstanceArn ?? []);
  const arn = name.startsWith('arn:') ? name : onlyMatch(arns, name, 'container instance');
  const found = instances.find((instance) => instance.containerInstanceArn === arn);
  if (found === undefined) {
    throw new CliError(`no container instance ${name} in cluster ${context.cluster}`, {
      next: 'see `berth instance list`',
    });
  }
  return found;
}

export async function listServices(context: CliContext): Promise<Service[]> {
  const arns: string[] = [];
  for await (const page of paginateListServices({ client: context.ecs() }, { cluster: context.cluster }))
    arns.push(...(page.serviceArns ?? []));
  const services: Service[] = [];
  for (const part of chunks(arns, 10)) {
    const answer = await context
      .ecs()
      .send(new DescribeServicesCommand({ cluster: context.cluster, services: part, include: ['TAGS'] }));
    services.push(...(answer.services ?? []));
  }
  return services;
}

export async function findService(context: CliContext, name: string): Promise<Service> {
  const answer = await context
    .ecs()
    .send(new DescribeServicesCommand({ cluster: context.cluster, services: [name], include: ['TAGS'] }));
  const service = answer.services?.[0];
  if (service === undefined) {
    throw new CliError(`no service ${name} in cluster ${context.cluster}`, { next: 'see `berth service list`' });
  }
  return service;
}

/** A service deployment by its ARN; undefined when its history is gone. */
export async function findRollout(context: CliContext, arn: string): Promise<ServiceDeployment | undefined> {
  const answer = await context.ecs().send(new DescribeServiceDeploymentsCommand({ serviceDeploymentArns: [arn] }));
  return answer.serviceDeployments?.[0];
}

/** Newest first. */
export async function listRollouts(context: CliContext, service: string): Promise<ServiceDeploymentBrief[]> {
  const rollouts: ServiceDeploymentBrief[] = [];
  let nextToken: string | undefined;
  do {
    const page = await context
      .ecs()
      .send(new ListServiceDeploymentsCommand({ cluster: context.cluster, service, maxResults: 100, nextToken }));
    rollouts.push(...(page.serviceDeployments ?? []));
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
  return rollouts;
}

/** By ARN; those that are gone are not in it. */
export async function describeRevisions(
  context: CliContext,
  arns: readonly string[],
): Promise<Map<string, ServiceRevision>> {
  const revisions = new Map<string, ServiceRevision>();
  for (const part of chunks([...new Set(arns)], 20)) {
    const answer = await context.ecs().send(new DescribeServiceRevisionsCommand({ serviceRevisionArns: part }));
    for (const revision of answer.serviceRevisions ?? []) revisions.set(revision.serviceRevisionArn ?? '', revision);
  }
  return revisions;
}

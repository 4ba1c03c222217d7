/** `berth instance list | show | drain | activate`. */
import { UpdateContainerInstancesStateCommand, type ContainerInstance, type Resource } from '@aws-sdk/client-ecs';
import type { Command } from 'commander';
import { printList, printOne, type CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { shortId } from '../format.ts';
import { findInstance, listInstances, listTasks } from '../lookup.ts';
import { age, renderFields } from '../output/table.ts';

export function addInstanceCommands(program: Command, context: CliContext): void {
  const instance = program.command('instance').description('the machines that run tasks');
  instance
    .command('list')
    .description('list container instances')
    .action(() => showInstances(context));
  instance
    .command('show')
    .description('show one container instance: resources, attributes, tasks')
    .argument('<id>', 'ARN, id, or the beginning of the id')
    .action((id: string) => showInstance(context, id));
  instance
    .command('drain')
    .description('place nothing new and move service tasks away')
    .argument('<id>')
    .action((id: string) => setState(context, id, 'DRAINING'));
  instance
    .command('activate')
    .description('let tasks be placed again')
    .argument('<id>')
    .action((id: string) => setState(context, id, 'ACTIVE'));
}

function amount(resources: Resource[] | undefined, name: string): number | undefined {
  return resources?.find((resource) => resource.name === name)?.integerValue;
}

function freeOf(instance: ContainerInstance, name: string): string {
  return `${amount(instance.remainingResources, name) ?? '?'}/${amount(instance.registeredResources, name) ?? '?'}`;
}

function healthOf(instance: ContainerInstance): string | undefined {
  return instance.healthStatus?.overallStatus;
}

async function showInstances(context: CliContext): Promise<void> {
  printList(context, {
    rows: await listInstances(context),
    empty: `no container instances in cluster ${context.cluster}; start \`berth agent\` on a machine`,
    columns: [
      { title: 'ID', value: (row) => shortId(row.containerInstanceArn)?.slice(0, 12) },
      { title: 'STATUS', value: (row) => row.status },
      { title: 'AGENT', value: (row) => (row.agentConnected === true ? 'connected' : 'disconnected') },
      { title: 'HEALTH', value: healthOf },
      { title: 'RUNNING', value: (row) => row.runningTasksCount },
      { title: 'PENDING', value: (row) => row.pendingTasksCount },
      { title: 'CPU FREE', value: (row) => freeOf(row, 'CPU') },
      { title: 'MEMORY FREE', value: (row) => freeOf(row, 'MEMORY') },
      { title: 'DOCKER', value: (row) => row.versionInfo?.dockerVersion },
    ],
  });
}

async function showInstance(context: CliContext, id: string): Promise<void> {
  const instance = await findInstance(context, id);
  const tasks = await listTasks(context, { containerInstance: instance.containerInstanceArn });
  const health = (instance.healthStatus?.details ?? []).find((detail) => detail.statusReason !== undefined);
  printOne(context, { ...instance, tasks }, () =>
    renderFields([
      ['id', shortId(instance.containerInstanceArn)],
      ['machine', instance.ec2InstanceId],
      ['status', [instance.status, instance.statusReason].filter((part) => part !== undefined).join(': ')],
      [
        'agent',
        `${instance.agentConnected === true ? 'connected' : 'disconnected'}, version ${instance.versionInfo?.agentVersion ?? 'unknown'}`,
      ],
      ['docker', instance.versionInfo?.dockerVersion],
      ['health', [healthOf(instance), health?.statusReason].filter((part) => part !== undefined).join(': ')],
      ['registered', age(instance.registeredAt, context.clock.now())],
      ['cpu free', freeOf(instance, 'CPU')],
      ['memory free', freeOf(instance, 'MEMORY')],
      [
        'attributes',
        (instance.attributes ?? [])
          .map(({ name, value }) => (value === undefined ? name : `${name}=${value}`))
          .join(', '),
      ],
      [
        'tasks',
        tasks.map((task) => `${shortId(task.taskArn)?.slice(0, 12)} ${task.group} ${task.lastStatus}`).join(', '),
      ],
    ]),
  );
}

async function setState(context: CliContext, id: string, status: 'ACTIVE' | 'DRAINING'): Promise<void> {
  const instance = await findInstance(context, id);
  const answer = await context.ecs().send(
    new UpdateContainerInstancesStateCommand({
      cluster: context.cluster,
      containerInstances: [instance.containerInstanceArn ?? id],
      status,
    }),
  );
  const failure = answer.failures?.[0];
  if (failure !== undefined)
    throw new CliError(`${shortId(instance.containerInstanceArn)}: ${failure.reason} ${failure.detail ?? ''}`.trim());
  printOne(context, answer.containerInstances?.[0], () =>
    status === 'DRAINING'
      ? `${shortId(instance.containerInstanceArn)} is draining; its service tasks move away, standalone tasks stay until they end`
      : `${shortId(instance.containerInstanceArn)} takes tasks again`,
  );
}

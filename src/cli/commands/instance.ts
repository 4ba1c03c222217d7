/** `berth instance list | show | drain | activate`; how machines join is in instance-invite.ts. */
import {
  TagResourceCommand,
  UpdateContainerInstancesStateCommand,
  type ContainerInstance,
  type Resource,
} from '@aws-sdk/client-ecs';
import { Option, type Command } from 'commander';
import { policyTags } from '#model/policy-tags.ts';
import { printList, printOne, type CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { shortId } from '../format.ts';
import { findInstance, listInstances, listTasks } from '../lookup.ts';
import { parsePositive } from '../options.ts';
import { age, renderFields } from '../output/table.ts';
import { waitForDrain } from '../wait.ts';
import { addInviteCommands } from './instance-invite.ts';

interface DrainOptions {
  deadline?: string;
  standalone?: 'wait' | 'stop';
  wait?: boolean;
  timeout: number;
}

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
    .option('--deadline <duration>', 'when it passes, stop what is left, protected tasks too: 90s, 30m, 1h')
    .addOption(
      new Option('--standalone <what>', 'tasks of no service: wait for their end, or stop them').choices([
        'wait',
        'stop',
      ]),
    )
    .option('--wait', 'wait until no task is left, and show what is and why')
    .option('--timeout <seconds>', 'how long to wait', parsePositive, 3600)
    .action((id: string, options: DrainOptions) => drainInstance(context, id, options));
  instance
    .command('activate')
    .description('let tasks be placed again')
    .argument('<id>')
    .action((id: string) => activateInstance(context, id));
  addInviteCommands(instance, context);
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
      ['status', instance.status],
      ['reason', instance.statusReason?.replaceAll('; ', '\n  ')],
      [
        'agent',
        `${instance.agentConnected === true ? 'connected' : 'disconnected'}, version ${instance.versionInfo?.agentVersion ?? 'unknown'}`,
      ],
      ['docker', instance.versionInfo?.dockerVersion],
      ['capacity provider', instance.capacityProviderName],
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

/** The choices are the instance's own tags, so they hold for whoever drains it, and until they are changed. */
async function drainInstance(context: CliContext, id: string, options: DrainOptions): Promise<void> {
  const instance = await findInstance(context, id);
  const tags = [
    { key: policyTags.drainDeadline, value: options.deadline },
    { key: policyTags.drainStandalone, value: options.standalone },
  ].filter(({ value }) => value !== undefined);
  if (tags.length > 0) {
    await context.ecs().send(new TagResourceCommand({ resourceArn: instance.containerInstanceArn, tags }));
  }
  const drained = await setState(context, instance, 'DRAINING');
  const shown = options.wait === true ? await waitForDrain(context, id, options.timeout) : drained;
  const name = shortId(instance.containerInstanceArn);
  printOne(context, shown, () =>
    options.wait === true
      ? `${name} is drained; deregister it, or let tasks be placed again with \`berth instance activate ${name}\``
      : `${name} is draining; its service tasks move away.\n${(shown?.statusReason ?? '').replaceAll('; ', '\n  ')}\n` +
        `follow it with \`berth instance drain ${name} --wait\``,
  );
}

async function activateInstance(context: CliContext, id: string): Promise<void> {
  const instance = await findInstance(context, id);
  const activated = await setState(context, instance, 'ACTIVE');
  printOne(context, activated, () => `${shortId(instance.containerInstanceArn)} takes tasks again`);
}

async function setState(
  context: CliContext,
  { containerInstanceArn = '' }: ContainerInstance,
  status: 'ACTIVE' | 'DRAINING',
): Promise<ContainerInstance | undefined> {
  const answer = await context.ecs().send(
    new UpdateContainerInstancesStateCommand({
      cluster: context.cluster,
      containerInstances: [containerInstanceArn],
      status,
    }),
  );
  const failure = answer.failures?.[0];
  if (failure !== undefined)
    throw new CliError(`${shortId(containerInstanceArn)}: ${failure.reason} ${failure.detail ?? ''}`.trim());
  return answer.containerInstances?.[0];
}

/** `berth service create | update | list | show | delete`, with --wait and live progress per task. */
import {
  CreateServiceCommand,
  DeleteServiceCommand,
  TagResourceCommand,
  UpdateServiceCommand,
  type DeploymentConfiguration,
  type Service,
  type Tag,
  type TaskSet,
} from '@aws-sdk/client-ecs';
import { Option, type Command } from 'commander';
import { policyTags } from '#model/policy-tags.ts';
import { printJson, printList, printOne, type CliContext } from '../context.ts';
import { countsOf, definitionName, primaryOf, portsOf, reasonOf, shortId } from '../format.ts';
import { findService, listServices, listTasks } from '../lookup.ts';
import { parseCount, withWait, type WaitOptions } from '../options.ts';
import { age, renderFields, renderTable } from '../output/table.ts';
import { waitForService, waitForServiceGone } from '../wait.ts';
import { addServiceHistoryCommands } from './service-history.ts';

interface RolloutOptions extends WaitOptions {
  minimumHealthyPercent?: number;
  maximumPercent?: number;
  enableExecuteCommand?: boolean;
  lostAfter?: string;
  onReturn?: string;
  rebalance?: string;
  deadline?: string;
  circuitBreaker?: 'off' | 'stop' | 'rollback';
}

interface UpdateOptions extends RolloutOptions {
  desiredCount?: number;
  taskDefinition?: string;
  forceNewDeployment?: boolean;
}

function withRollout(command: Command): Command {
  return withWait(command)
    .option('--minimum-healthy-percent <percent>', 'floor of healthy tasks during a rollout', parseCount)
    .option('--maximum-percent <percent>', 'ceiling of tasks during a rollout', parseCount)
    .addOption(
      new Option('--circuit-breaker <end>', 'what ends a rollout whose tasks keep failing').choices([
        'off',
        'stop',
        'rollback',
      ]),
    )
    .option('--deadline <time>', 'how long a rollout may take before it has failed: 30m, 2h, never')
    .option('--enable-execute-command', 'allow `berth exec` in the tasks it starts from now on')
    .option('--no-enable-execute-command', 'allow it no more')
    .option('--lost-after <time>', 'how long a machine may be silent before its tasks are replaced: 90s, 5m, never')
    .addOption(
      new Option('--on-return <which>', 'of a replaced task that is back and its replacement, which stays').choices([
        'newest',
        'original',
      ]),
    )
    .addOption(
      new Option('--rebalance <setting>', 'move tasks until they are spread over the machines that there are').choices([
        'ENABLED',
        'DISABLED',
      ]),
    );
}

export function addServiceCommands(program: Command, context: CliContext): void {
  const service = program.command('service').description('a number of tasks that is kept running');
  withRollout(service.command('create').description('create a service'))
    .argument('<name>')
    .requiredOption('--task-definition <name>', 'family, family:revision or ARN')
    .option('--desired-count <number>', 'how many tasks', parseCount, 1)
    .action((name: string, options: UpdateOptions) => createService(context, name, options));
  withRollout(service.command('update').description('change the number of tasks, or roll to another task definition'))
    .argument('<name>')
    .option('--task-definition <name>', 'roll to this task definition')
    .option('--desired-count <number>', 'how many tasks', parseCount)
    .option('--force-new-deployment', 'replace all tasks even when nothing changed')
    .action((name: string, options: UpdateOptions) => updateService(context, name, options));
  service
    .command('list')
    .description('list services')
    .action(() => showServices(context));
  service
    .command('show')
    .description('show one service: deployments, tasks, events')
    .argument('<name>')
    .action((name: string) => showService(context, name));
  withWait(service.command('delete').description('delete a service and stop its tasks'))
    .argument('<name>')
    .option('--force', 'also when it still wants tasks')
    .action((name: string, options: WaitOptions & { force?: boolean }) => deleteService(context, name, options));
  addServiceHistoryCommands(service, context);
}

function execOf({ enableExecuteCommand }: RolloutOptions): { enableExecuteCommand?: boolean } {
  return enableExecuteCommand === undefined ? {} : { enableExecuteCommand };
}

function rolloutOf(options: RolloutOptions): { deploymentConfiguration?: DeploymentConfiguration } {
  const { minimumHealthyPercent, maximumPercent, circuitBreaker } = options;
  const deploymentConfiguration: DeploymentConfiguration = {
    ...(minimumHealthyPercent === undefined ? {} : { minimumHealthyPercent }),
    ...(maximumPercent === undefined ? {} : { maximumPercent }),
    ...(circuitBreaker === undefined
      ? {}
      : {
          deploymentCircuitBreaker: { enable: circuitBreaker !== 'off', rollback: circuitBreaker === 'rollback' },
        }),
  };
  return Object.keys(deploymentConfiguration).length === 0 ? {} : { deploymentConfiguration };
}

/** Policies that ECS has no field for are tags. */
function policyTagsOf({ lostAfter, onReturn, rebalance, deadline }: RolloutOptions): Tag[] {
  const tags = [
    { key: policyTags.lostAfter, value: lostAfter },
    { key: policyTags.onReturn, value: onReturn },
    { key: policyTags.rebalance, value: rebalance },
    { key: policyTags.deploymentDeadline, value: deadline },
  ];
  return tags.filter(({ value }) => value !== undefined);
}

async function settle(
  context: CliContext,
  service: Service | undefined,
  options: WaitOptions,
  since: number,
): Promise<void> {
  const name = service?.serviceName ?? '';
  const result =
    options.wait === true
      ? await waitForService(context, name, {
          timeoutSeconds: options.timeout,
          eventsSince: since,
          rollout: service?.currentServiceDeployment,
        })
      : service;
  printOne(context, result, () =>
    options.wait === true
      ? `${name} is steady: ${countsOf(result ?? {})} running`
      : `${name}: ${countsOf(result ?? {})} running; watch it with \`berth service show ${name}\``,
  );
}

async function createService(context: CliContext, serviceName: string, options: UpdateOptions): Promise<void> {
  const since = context.clock.now() - 1000;
  const { service } = await context.ecs().send(
    new CreateServiceCommand({
      cluster: context.cluster,
      serviceName,
      taskDefinition: options.taskDefinition,
      desiredCount: options.desiredCount,
      tags: policyTagsOf(options),
      ...execOf(options),
      ...rolloutOf(options),
    }),
  );
  await settle(context, service, options, since);
}

async function updateService(context: CliContext, service: string, options: UpdateOptions): Promise<void> {
  const since = context.clock.now() - 1000;
  const tags = policyTagsOf(options);
  if (tags.length > 0) {
    const { serviceArn } = await findService(context, service);
    await context.ecs().send(new TagResourceCommand({ resourceArn: serviceArn, tags }));
  }
  const answer = await context.ecs().send(
    new UpdateServiceCommand({
      cluster: context.cluster,
      service,
      ...(options.taskDefinition === undefined ? {} : { taskDefinition: options.taskDefinition }),
      ...(options.desiredCount === undefined ? {} : { desiredCount: options.desiredCount }),
      ...(options.forceNewDeployment === undefined ? {} : { forceNewDeployment: options.forceNewDeployment }),
      ...execOf(options),
      ...rolloutOf(options),
    }),
  );
  await settle(context, answer.service, options, since);
}

async function showServices(context: CliContext): Promise<void> {
  printList(context, {
    rows: await listServices(context),
    empty: `no services in cluster ${context.cluster}`,
    columns: [
      { title: 'NAME', value: (row) => row.serviceName },
      { title: 'STATUS', value: (row) => row.status },
      { title: 'RUNNING', value: (row) => countsOf(row) },
      { title: 'DEFINITION', value: (row) => definitionName(row.taskDefinition) },
      { title: 'ROLLOUT', value: (row) => primaryOf(row)?.rolloutState },
      {
        title: 'WHY',
        value: (row) => (primaryOf(row)?.rolloutState === 'COMPLETED' ? undefined : primaryOf(row)?.rolloutStateReason),
      },
    ],
  });
}

async function showService(context: CliContext, name: string): Promise<void> {
  const service = await findService(context, name);
  const tasks = await listTasks(context, { serviceName: name });
  if (context.output === 'json') return printJson(context, { ...service, tasks });
  const now = context.clock.now();
  const sections = [
    renderFields([
      ['name', service.serviceName],
      ['status', service.status],
      ['running', countsOf(service)],
      ['definition', definitionName(service.taskDefinition)],
      ['strategy', service.schedulingStrategy],
    ]),
    ...((service.taskSets ?? []).length > 0 ? [describeTaskSets(service.taskSets ?? [])] : []),
    renderTable(
      [
        { title: 'DEPLOYMENT', value: (row) => row.id },
        { title: 'STATUS', value: (row) => row.status },
        { title: 'DEFINITION', value: (row) => definitionName(row.taskDefinition) },
        { title: 'RUNNING', value: (row) => countsOf(row) },
        { title: 'FAILED', value: (row) => row.failedTasks },
        { title: 'ROLLOUT', value: (row) => row.rolloutState },
        { title: 'WHY', value: (row) => row.rolloutStateReason },
      ],
      service.deployments ?? [],
    ),
    renderTable(
      [
        { title: 'TASK', value: (row) => shortId(row.taskArn)?.slice(0, 12) },
        { title: 'DEFINITION', value: (row) => definitionName(row.taskDefinitionArn) },
        { title: 'STATUS', value: (row) => row.lastStatus },
        { title: 'HEALTH', value: (row) => row.healthStatus },
        { title: 'PORTS', value: portsOf },
        { title: 'AGE', value: (row) => age(row.createdAt, now) },
        { title: 'REASON', value: reasonOf },
      ],
      tasks,
    ),
    (service.events ?? [])
      .slice(0, 10)
      .map((event) => `${(age(event.createdAt, now) ?? '').padStart(8)} ago  ${event.message}`)
      .join('\n'),
  ];
  context.terminal.write(sections.join('\n\n'));
}

/** Of a service whose deployments somebody else steers. */
function describeTaskSets(taskSets: readonly TaskSet[]): string {
  return renderTable(
    [
      { title: 'TASK SET', value: (row) => row.id },
      { title: 'STATUS', value: (row) => row.status },
      { title: 'DEFINITION', value: (row) => definitionName(row.taskDefinition) },
      { title: 'SCALE', value: (row) => `${row.scale?.value ?? 0} %` },
      { title: 'RUNNING', value: (row) => countsOf({ ...row, desiredCount: row.computedDesiredCount }) },
      { title: 'STABILITY', value: (row) => row.stabilityStatus },
    ],
    taskSets,
  );
}

async function deleteService(
  context: CliContext,
  service: string,
  options: WaitOptions & { force?: boolean },
): Promise<void> {
  const answer = await context.ecs().send(
    new DeleteServiceCommand({
      cluster: context.cluster,
      service,
      ...(options.force === undefined ? {} : { force: options.force }),
    }),
  );
  if (options.wait === true) await waitForServiceGone(context, service, options.timeout);
  printOne(context, answer.service, () =>
    options.wait === true ? `${service} is gone` : `${service} is draining; its tasks stop`,
  );
}

/** `berth run` and `berth task list | show | stop | protect | unprotect`. */
import { stripVTControlCharacters } from 'node:util';
import {
  RunTaskCommand,
  StopTaskCommand,
  type CapacityProviderStrategyItem,
  type Failure,
  type Task,
} from '@aws-sdk/client-ecs';
import type { Command } from 'commander';
import { z } from 'zod';
import { waitForCapacityTag } from '#model/placement-wait.ts';
import { printJson, printList, printOne, type CliContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { definitionName, portsOf, reasonOf, shortId } from '../format.ts';
import { findTask, listTasks } from '../lookup.ts';
import { checkWait, collectStrategyItem, parsePositive } from '../options.ts';
import { age, renderFields, renderTable } from '../output/table.ts';
import { signedGet } from '../signed-fetch.ts';
import { waitForTasks } from '../wait.ts';
import { addTaskProtectionCommands, findProtections } from './task-protection.ts';

interface RunOptions {
  count: number;
  group?: string;
  startedBy?: string;
  enableExecuteCommand?: boolean;
  capacityProviderStrategy?: CapacityProviderStrategyItem[];
  waitForCapacity?: string;
  wait?: boolean;
  timeout: number;
}

export function addTaskCommands(program: Command, context: CliContext): void {
  program
    .command('run')
    .description('run tasks of a task definition')
    .argument('<task-definition>', 'family, family:revision or ARN')
    .option('--count <number>', 'how many, at most 10', parsePositive, 1)
    .option('--group <name>', 'task group')
    .option('--started-by <text>', 'who started it')
    .option('--enable-execute-command', 'allow `berth exec` in it')
    .option(
      '--capacity-provider-strategy <item>',
      'share them out: a name, or capacityProvider=NAME,weight=N,base=N; once per provider',
      collectStrategyItem,
    )
    .option('--wait-for-capacity <duration>', 'where there is no room, wait for it so long, e.g. 10m', checkWait)
    .option('--wait', 'wait until they run')
    .option('--timeout <seconds>', 'how long to wait', parsePositive, 300)
    .action((definition: string, options: RunOptions) => runTasks(context, definition, options));

  const task = program.command('task').description('the running copies of task definitions');
  task
    .command('list')
    .description('list tasks')
    .option('--stopped', 'stopped tasks instead of running ones')
    .option('--service <name>', 'only tasks of this service')
    .option('--family <name>', 'only tasks of this task definition family')
    .action((options: { stopped?: boolean; service?: string; family?: string }) => showTasks(context, options));
  task
    .command('show')
    .description('show one task: containers, ports, exit codes, reasons')
    .argument('<id>', 'ARN, id, or the beginning of the id')
    .action((id: string) => showTask(context, id));
  task
    .command('stop')
    .description('stop a task')
    .argument('<id>')
    .option('--reason <text>', 'why; shown as the stopped reason')
    .option('--wait', 'wait until it has stopped')
    .option('--timeout <seconds>', 'how long to wait', parsePositive, 300)
    .action((id: string, options: { reason?: string; wait?: boolean; timeout: number }) =>
      stopTask(context, id, options),
    );
  addTaskProtectionCommands(task, context);
}

function refusals(failures: readonly Failure[]): string {
  return failures
    .map(
      (failure) =>
        `${shortId(failure.arn) ?? 'no instance'}: ${failure.reason}${failure.detail === undefined ? '' : ` (${failure.detail})`}`,
    )
    .join('; ');
}

async function runTasks(context: CliContext, taskDefinition: string, options: RunOptions): Promise<void> {
  const answer = await context.ecs().send(
    new RunTaskCommand({
      cluster: context.cluster,
      taskDefinition,
      count: options.count,
      ...(options.group === undefined ? {} : { group: options.group }),
      ...(options.startedBy === undefined ? {} : { startedBy: options.startedBy }),
      ...(options.enableExecuteCommand === undefined ? {} : { enableExecuteCommand: options.enableExecuteCommand }),
      ...(options.capacityProviderStrategy && { capacityProviderStrategy: options.capacityProviderStrategy }),
      ...(options.waitForCapacity && { tags: [{ key: waitForCapacityTag, value: options.waitForCapacity }] }),
    }),
  );
  const failures = answer.failures ?? [];
  let tasks = answer.tasks ?? [];
  if (tasks.length > 0 && options.wait === true) {
    tasks = await waitForTasks(
      context,
      tasks.flatMap((task) => task.taskArn ?? []),
      { until: 'RUNNING', timeoutSeconds: options.timeout },
    );
  }
  if (context.output === 'json') printJson(context, { tasks, failures });
  else if (tasks.length > 0) context.terminal.write(tasks.map((task) => shortId(task.taskArn)).join('\n'));
  if (failures.length > 0) {
    throw new CliError(`${failures.length} not placed: ${refusals(failures)}`, {
      next: 'see `berth instance list` for what is free, or wait for room with --wait-for-capacity 10m',
    });
  }
}

async function showTasks(
  context: CliContext,
  options: { stopped?: boolean; service?: string; family?: string },
): Promise<void> {
  const rows = await listTasks(context, {
    desiredStatus: options.stopped === true ? 'STOPPED' : 'RUNNING',
    ...(options.service === undefined ? {} : { serviceName: options.service }),
    ...(options.family === undefined ? {} : { family: options.family }),
  });
  const now = context.clock.now();
  const protections = await findProtections(context, rows);
  const left = ({ taskArn = '' }: Task): string | undefined => {
    const until = protections.get(taskArn);
    return until === undefined ? undefined : age(now, until.getTime());
  };
  printList(context, {
    rows,
    empty: options.stopped === true ? 'no stopped tasks' : 'no tasks; see `berth task list --stopped` for ended ones',
    columns: [
      { title: 'ID', value: (row) => shortId(row.taskArn)?.slice(0, 12) },
      { title: 'DEFINITION', value: (row) => definitionName(row.taskDefinitionArn) },
      { title: 'GROUP', value: (row) => row.group },
      { title: 'STATUS', value: (row) => row.lastStatus },
      { title: 'HEALTH', value: (row) => row.healthStatus },
      { title: 'INSTANCE', value: (row) => shortId(row.containerInstanceArn)?.slice(0, 12) },
      { title: 'PORTS', value: portsOf },
      ...(protections.size > 0 ? [{ title: 'PROTECTED', value: left }] : []),
      { title: 'AGE', value: (row) => age(row.createdAt, now) },
      { title: 'REASON', value: reasonOf },
    ],
  });
}

async function showTask(context: CliContext, id: string): Promise<void> {
  const task = await findTask(context, id);
  const outputs = task.lastStatus === 'STOPPED' ? await lastOutputs(context, task) : [];
  const protectedUntil = (await findProtections(context, [task])).get(task.taskArn ?? '');
  const shown = {
    ...task,
    ...(outputs.length > 0 && { lastOutput: outputs }),
    ...(protectedUntil && { protectedUntil }),
  };
  printOne(context, shown, () =>
    [describeTask(task, protectedUntil, context.clock.now()), ...outputs.map(describeOutput)].join('\n\n'),
  );
}

const LastOutput = z.object({
  containers: z.array(z.object({ name: z.string(), lines: z.array(z.string()) })),
});
type ContainerOutput = z.infer<typeof LastOutput>['containers'][number];

/** What its containers wrote before they failed. A control service that cannot tell is no reason not to show the task. */
async function lastOutputs(context: CliContext, { taskArn = '' }: Task): Promise<ContainerOutput[]> {
  const response = await signedGet(context.endpoint(), '/berth/v1/last-output', { task: taskArn }, context.signal);
  const parsed = response.ok ? LastOutput.safeParse(await response.json()) : undefined;
  return parsed?.success === true ? parsed.data.containers : [];
}

function describeOutput({ name, lines }: ContainerOutput): string {
  return [`last output of ${name}:`, ...lines.map((line) => `  ${stripVTControlCharacters(line)}`)].join('\n');
}

function describeTask(task: Task, protectedUntil: Date | undefined, now: number): string {
  const head = renderFields([
    ['id', shortId(task.taskArn)],
    ['definition', definitionName(task.taskDefinitionArn)],
    ['group', task.group],
    ['started by', task.startedBy],
    [
      'status',
      task.lastStatus === task.desiredStatus ? task.lastStatus : `${task.lastStatus} (wanted: ${task.desiredStatus})`,
    ],
    ['health', task.healthStatus],
    ['instance', shortId(task.containerInstanceArn)],
    ['capacity provider', task.capacityProviderName],
    ['protected', protectedUntil === undefined ? undefined : `for ${age(now, Number(protectedUntil))}`],
    ['created', task.createdAt === undefined ? undefined : `${age(task.createdAt, now)} ago`],
    ['started', task.startedAt === undefined ? undefined : `${age(task.startedAt, now)} ago`],
    ['stopped', task.stoppedAt === undefined ? undefined : `${age(task.stoppedAt, now)} ago`],
    ['stop code', task.stopCode],
    ['reason', task.stoppedReason],
  ]);
  const containers = renderTable(
    [
      { title: 'CONTAINER', value: (container) => container.name },
      { title: 'IMAGE', value: (container) => container.image },
      { title: 'STATUS', value: (container) => container.lastStatus },
      { title: 'EXIT', value: (container) => container.exitCode },
      { title: 'HEALTH', value: (container) => container.healthStatus },
      { title: 'ENGINE ID', value: (container) => container.runtimeId?.slice(0, 12) },
      { title: 'PORTS', value: (container) => portsOf({ containers: [container] }) },
      { title: 'REASON', value: (container) => container.reason },
    ],
    task.containers ?? [],
  );
  return `${head}\n\n${containers}`;
}

async function stopTask(
  context: CliContext,
  id: string,
  options: { reason?: string; wait?: boolean; timeout: number },
): Promise<void> {
  const found = await findTask(context, id);
  const taskArn = found.taskArn ?? id;
  const answer = await context.ecs().send(
    new StopTaskCommand({
      cluster: context.cluster,
      task: taskArn,
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    }),
  );
  let task = answer.task;
  if (options.wait === true)
    [task] = await waitForTasks(context, [taskArn], { until: 'STOPPED', timeoutSeconds: options.timeout });
  printOne(context, task, () =>
    task?.lastStatus === 'STOPPED' ? `${shortId(taskArn)} has stopped` : `${shortId(taskArn)} is stopping`,
  );
}

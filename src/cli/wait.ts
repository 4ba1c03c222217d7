/**
 * Waiting with eyes open: every wait has a deadline, shows what each task does and the service's events as they come, and ends with the reason when
 * it fails. Ctrl-C ends the waiting only and says how to look again.
 */
import type { ContainerInstance, Service, ServiceDeployment, Task } from '@aws-sdk/client-ecs';
import { drainingComplete } from '#model/container-instance.ts';
import type { CliContext } from './context.ts';
import { CliError } from './errors.ts';
import { countsOf, definitionName, isStable, portsOf, primaryOf, reasonOf, shortId } from './format.ts';
import { describeTasks, findInstance, findRollout, findService, listTasks } from './lookup.ts';
import { createProgress, type ProgressItem } from './output/progress.ts';

const pollIntervalMs = 400;

interface Look {
  items: ProgressItem[];
  /** Lines to keep above the moving ones. */
  lines: string[];
  outcome: 'waiting' | 'done' | { failed: string };
}

interface WaitOptions {
  what: string;
  timeoutSeconds: number;
  lookAgain: string;
  look(): Promise<Look>;
}

async function wait(context: CliContext, options: WaitOptions): Promise<void> {
  const progress = createProgress(context.terminal);
  const deadline = context.clock.now() + options.timeoutSeconds * 1000;
  for (;;) {
    const { items, lines, outcome } = await options.look();
    for (const line of lines) progress.line(line);
    progress.show(items);
    if (outcome === 'done') return progress.end({ keep: true });
    if (outcome !== 'waiting') {
      progress.end({ keep: true });
      throw new CliError(outcome.failed, { next: options.lookAgain });
    }
    if (context.clock.now() >= deadline) {
      progress.end({ keep: true });
      throw new CliError(`gave up waiting for ${options.what} after ${options.timeoutSeconds} s; the work goes on`, {
        next: options.lookAgain,
      });
    }
    try {
      await context.clock.sleep(pollIntervalMs, context.signal);
    } catch (error) {
      progress.end({ keep: true });
      throw new CliError(`stopped waiting for ${options.what}; the work goes on`, {
        next: options.lookAgain,
        exitCode: 130,
        cause: error,
      });
    }
  }
}

function taskItem(task: Task): ProgressItem {
  const status =
    task.desiredStatus === 'STOPPED' && task.lastStatus !== 'STOPPED'
      ? `${task.lastStatus} (stopping)`
      : task.lastStatus;
  const parts = [
    `  ${shortId(task.taskArn)?.slice(0, 12)}`,
    definitionName(task.taskDefinitionArn),
    status,
    portsOf(task),
    reasonOf(task),
  ];
  return { key: task.taskArn ?? '', text: parts.filter((part) => part !== undefined).join('  ') };
}

export interface ServiceWait {
  timeoutSeconds: number;
  /** Events older than this were there before and are not news (epoch ms). */
  eventsSince: number;
  /** ARN of the service deployment to follow to its end, a way back included; without it the PRIMARY deployment tells. */
  rollout?: string | undefined;
  /** Whether that end is to be its way back. */
  goesBack?: boolean;
}

/** Resolves when the service is stable; fails when its rollout failed, and only after it was taken back where that is wanted. */
export async function waitForService(context: CliContext, name: string, options: ServiceWait): Promise<Service> {
  const seen = new Set<string>();
  let told: string | undefined;
  let service = await findService(context, name);
  await wait(context, {
    what: `service ${name} to be steady`,
    timeoutSeconds: options.timeoutSeconds,
    lookAgain: `look again with \`berth service show ${name}\``,
    async look() {
      service = await findService(context, name);
      const tasks = await listTasks(context, { serviceName: name });
      const lines: string[] = [];
      for (const event of (service.events ?? []).toReversed()) {
        if (event.id === undefined || seen.has(event.id)) continue;
        seen.add(event.id);
        if ((event.createdAt?.getTime() ?? 0) >= options.eventsSince) lines.push(event.message ?? '');
      }
      const primary = primaryOf(service);
      const head: ProgressItem = {
        key: 'service',
        text: `${name}: ${countsOf(service)} running, ${primary?.rolloutState ?? service.status}`,
      };
      const waiting = isStable(service) ? undefined : primary?.rolloutStateReason;
      if (waiting !== undefined) head.text += `: ${waiting}`;
      const rollout = options.rollout === undefined ? undefined : await findRollout(context, options.rollout);
      if (rollout !== undefined && rollout.status !== told) {
        if (rolloutNews.has(rollout.status)) {
          lines.push(`deployment ${shortId(options.rollout)}: ${rollout.status}: ${rollout.statusReason}`);
        }
        told = rollout.status;
      }
      const outcome =
        rollout === undefined
          ? outcomeOfPrimary(service)
          : outcomeOfRollout(service, rollout, options.goesBack === true);
      return { items: [head, ...tasks.map(taskItem)], lines, outcome };
    },
  });
  return service;
}

/** Statuses of a service deployment that are worth a line of their own; the others show in the moving one. */
const rolloutNews: ReadonlySet<string | undefined> = new Set([
  'STOP_REQUESTED',
  'STOPPED',
  'ROLLBACK_REQUESTED',
  'ROLLBACK_IN_PROGRESS',
  'ROLLBACK_SUCCESSFUL',
  'ROLLBACK_FAILED',
]);

function outcomeOfPrimary(service: Service): Look['outcome'] {
  const primary = primaryOf(service);
  if (primary?.rolloutState === 'FAILED') {
    return { failed: primary.rolloutStateReason ?? `the rollout of ${service.serviceName} failed` };
  }
  return isStable(service) ? 'done' : 'waiting';
}

function outcomeOfRollout(
  service: Service,
  { status, statusReason }: ServiceDeployment,
  goesBack: boolean,
): Look['outcome'] {
  switch (status) {
    case 'SUCCESSFUL':
      if (goesBack) return { failed: `the rollout of ${service.serviceName} completed before it could be taken back` };
      return isStable(service) ? 'done' : 'waiting';
    case 'ROLLBACK_SUCCESSFUL':
      return goesBack ? 'done' : { failed: `the rollout failed and was taken back: ${statusReason}` };
    case 'ROLLBACK_FAILED':
      return { failed: `the rollout failed, and so did its way back: ${primaryOf(service)?.rolloutStateReason}` };
    case 'STOPPED':
      return { failed: statusReason ?? `the rollout of ${service.serviceName} was stopped` };
    default:
      return 'waiting';
  }
}

/** Resolves when the service is gone and so are its tasks. */
export async function waitForServiceGone(context: CliContext, name: string, timeoutSeconds: number): Promise<void> {
  await wait(context, {
    what: `service ${name} to be gone`,
    timeoutSeconds,
    lookAgain: `look again with \`berth service show ${name}\``,
    async look() {
      const service = await findService(context, name);
      const tasks = await listTasks(context, { serviceName: name, desiredStatus: 'STOPPED' });
      const left = tasks.filter((task) => task.lastStatus !== 'STOPPED');
      const head: ProgressItem = { key: 'service', text: `${name}: ${service.status}, ${left.length} tasks left` };
      return {
        items: [head, ...left.map(taskItem)],
        lines: [],
        outcome: service.status === 'INACTIVE' && left.length === 0 ? 'done' : 'waiting',
      };
    },
  });
}

/** Resolves with the instance as it is when `look` says so. */
async function waitForInstance(
  context: CliContext,
  id: string,
  options: Omit<WaitOptions, 'what' | 'look'> & {
    what(name: string): string;
    look(instance: ContainerInstance, name: string): Omit<Look, 'lines'>;
  },
): Promise<ContainerInstance> {
  let instance = await findInstance(context, id);
  const name = shortId(instance.containerInstanceArn) ?? id;
  await wait(context, {
    what: options.what(name),
    timeoutSeconds: options.timeoutSeconds,
    lookAgain: `look again with \`berth instance show ${name}\`; ${options.lookAgain}`,
    async look() {
      instance = await findInstance(context, id);
      return { lines: [], ...options.look(instance, name) };
    },
  });
  return instance;
}

/** Resolves when no task is left on the instance; fails when somebody lets tasks be placed there again. */
export function waitForDrain(context: CliContext, id: string, timeoutSeconds: number): Promise<ContainerInstance> {
  return waitForInstance(context, id, {
    what: (name) => `container instance ${name} to be drained`,
    timeoutSeconds,
    lookAgain: '`--deadline` ends what holds it up',
    look({ status, statusReason = '' }, name) {
      const [head = '', ...left] = statusReason.split('; ');
      const undrained = { failed: `${name} is ${status}: somebody ended its draining` };
      const done = head.startsWith(drainingComplete);
      return {
        items: [head, ...left.map((line) => `  ${line}`)].map((text, index) => ({ key: String(index), text })),
        outcome: status === 'DRAINING' ? (done ? 'done' : 'waiting') : undrained,
      };
    },
  });
}

/** Resolves when the agent has come up with the version that was asked for; fails with the reason when it goes on with its old one. */
export function waitForAgentUpdate(
  context: CliContext,
  id: string,
  timeoutSeconds: number,
): Promise<ContainerInstance> {
  return waitForInstance(context, id, {
    what: (name) => `the agent of ${name} to be updated`,
    timeoutSeconds,
    lookAgain: 'the agent’s log says more, and containers go on meanwhile',
    look({ agentUpdateStatus: status = 'PENDING', statusReason, agentConnected }, name) {
      const failed = { failed: statusReason ?? `the agent of ${name} was not updated` };
      return {
        items: [{ key: name, text: `  ${name}  ${status}${agentConnected === true ? '' : '  (not connected)'}` }],
        outcome: status === 'UPDATED' ? 'done' : status === 'FAILED' ? failed : 'waiting',
      };
    },
  });
}

/** Resolves when every task has reached the status, or a later one; a task that stopped without having run fails the wait for RUNNING. */
export async function waitForTasks(
  context: CliContext,
  arns: readonly string[],
  options: { until: 'RUNNING' | 'STOPPED'; timeoutSeconds: number },
): Promise<Task[]> {
  let tasks: Task[] = [];
  await wait(context, {
    what: `${arns.length === 1 ? 'the task' : `${arns.length} tasks`} to be ${options.until}`,
    timeoutSeconds: options.timeoutSeconds,
    lookAgain: `look again with \`berth task show ${shortId(arns[0])}\``,
    async look() {
      tasks = await describeTasks(context, arns);
      const failed =
        options.until === 'RUNNING'
          ? tasks.find((task) => task.lastStatus === 'STOPPED' && task.startedAt === undefined)
          : undefined;
      const arrived = tasks.every(
        (task) => task.lastStatus === 'STOPPED' || (options.until === 'RUNNING' && task.lastStatus === 'RUNNING'),
      );
      return {
        items: tasks.map(taskItem),
        lines: [],
        outcome:
          failed === undefined
            ? arrived
              ? 'done'
              : 'waiting'
            : { failed: `task ${shortId(failed.taskArn)} stopped: ${reasonOf(failed) ?? 'no reason given'}` },
      };
    },
  });
  return tasks;
}

/**
 * Draining an instance, as far as no service does it: standalone tasks are waited for or stopped by choice, and a deadline ends what is left, protected
 * or not. Also tells what is left and why, for those who wait. Pure.
 */
import { arnId } from '#model/arn.ts';
import { drainingComplete, type ContainerInstance } from '#model/container-instance.ts';
import type { Deployment } from '#model/deployment.ts';
import { parseDrainDeadline, parseDrainStandalone, policyOf, policyTags } from '#model/policy-tags.ts';
import type { Service } from '#model/service.ts';
import { isProtected } from '#model/task-protection.ts';
import { hasStopped, type Task } from '#model/task.ts';
import { utcTime } from '#model/utc-time.ts';
import { isLost } from './task-health.ts';

/** Ends with its owner's wish to have the machine, not with anything the task did. */
const stopCode = 'TerminationNotice';

export interface DrainStop {
  tasks: readonly Task[];
  stopCode: typeof stopCode;
  reason: string;
}

export interface DrainDecision {
  stops: readonly DrainStop[];
  /** When the deadline passes (epoch ms); absent when it has, or there is none. */
  wakeAt?: number;
}

/** What to stop on a DRAINING instance besides what its services do. `tasks`: all of the instance. */
export function decideDrain(instance: ContainerInstance, tasks: readonly Task[], now: number): DrainDecision {
  const wanted = tasks.filter((task) => !hasStopped(task) && task.desiredStatus === 'RUNNING');
  const id = arnId(instance.containerInstanceArn);
  const deadline = drainDeadlineOf(instance);
  if (deadline !== undefined && deadline <= now) {
    const reason = `The drain deadline of container instance ${id} passed at ${utcTime(deadline)} (berth:drain-deadline)`;
    return { stops: wanted.length === 0 ? [] : [{ tasks: wanted, stopCode, reason }] };
  }
  const standalone = stopsStandalone(instance) ? wanted.filter(({ serviceName }) => serviceName === undefined) : [];
  const reason = `Container instance ${id} is draining (berth:drain-standalone is stop)`;
  return {
    stops: standalone.length === 0 ? [] : [{ tasks: standalone, stopCode, reason }],
    ...(deadline === undefined ? {} : { wakeAt: deadline }),
  };
}

/** Epoch milliseconds. */
export function drainDeadlineOf({ tags, drainingSince }: ContainerInstance): number | undefined {
  const after = policyOf<number | undefined>(tags, policyTags.drainDeadline, parseDrainDeadline, undefined);
  return after === undefined || drainingSince === undefined ? undefined : drainingSince + after;
}

function stopsStandalone({ tags }: ContainerInstance): boolean {
  return policyOf(tags, policyTags.drainStandalone, parseDrainStandalone, 'wait') === 'stop';
}

export interface DrainView {
  instance: ContainerInstance;
  /** Of the instance; those that have stopped say nothing. */
  tasks: readonly Task[];
  /** Those of the tasks, by name. */
  services: ReadonlyMap<string, Service>;
  /** Whether another instance of the cluster is ACTIVE and its agent connected. */
  othersEligible: boolean;
}

const mostNamedTasks = 20;

/** `statusReason` of a DRAINING instance: how many tasks are left, and of each what it waits for, separated by semicolons. */
export function drainProgress(view: DrainView, now: number): string {
  const { instance, othersEligible } = view;
  const left = view.tasks.filter((task) => !hasStopped(task));
  if (left.length === 0) return `${drainingComplete}: no task is left`;
  const parts = [`Draining: ${left.length} ${left.length === 1 ? 'task is' : 'tasks are'} left`];
  if (!instance.agentConnected) parts.push('its agent is silent, so nothing is known to end here');
  const replaceable = left.some(({ serviceName }) => serviceName !== undefined);
  if (replaceable && !othersEligible) parts.push('no other container instance of the cluster is ACTIVE and connected');
  const deadline = drainDeadlineOf(instance);
  if (deadline !== undefined) {
    parts.push(
      deadline > now ? `what is left is stopped at ${utcTime(deadline)}` : `its deadline was ${utcTime(deadline)}`,
    );
  }
  for (const task of left.slice(0, mostNamedTasks)) parts.push(`${nameOf(task)} ${whyLeft(task, view, now)}`);
  if (left.length > mostNamedTasks) parts.push(`and ${left.length - mostNamedTasks} more`);
  return parts.join('; ');
}

function nameOf({ taskArn, serviceName }: Task): string {
  const name = `task ${arnId(taskArn).slice(0, 12)}`;
  return serviceName === undefined ? name : `${name} of service ${serviceName}`;
}

/** What a task that is left on a DRAINING instance waits for; completes "task …". */
export function whyLeft(
  task: Task,
  { instance, services }: Pick<DrainView, 'instance' | 'services'>,
  now: number,
): string {
  if (task.desiredStatus === 'STOPPED') return 'is stopping';
  if (isLost(task)) return 'is lost: it waits for its agent';
  if (task.serviceName === undefined) {
    return stopsStandalone(instance) ? 'is about to be stopped' : 'belongs to no service and is waited for';
  }
  if (isProtected(task, now)) return `is protected until ${utcTime(task.protectedUntil ?? now)}`;
  const service = services.get(task.serviceName);
  if (service?.schedulingStrategy === 'DAEMON') return 'is a daemon and leaves last';
  const waiting = service === undefined ? undefined : deploymentOf(service, task)?.waiting;
  return waiting === undefined ? 'is being replaced' : `waits for ${waiting.reason}`;
}

/** The one that would replace the task: the PRIMARY, or its own task set. */
function deploymentOf({ deployments }: Service, { deploymentId }: Task): Deployment | undefined {
  const isOwnSet = ({ id, taskSet }: Deployment): boolean => id === deploymentId && taskSet !== undefined;
  return deployments.find(isOwnSet) ?? deployments.find(({ status }) => status === 'PRIMARY');
}

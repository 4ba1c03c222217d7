/**
 * What protection means to a service: which of its tasks may be stopped, until when it has to wait for those that may not, and which request for
 * protection is granted. Pure. Only what the scheduler stops of its own accord is held back (scale-in, deployments, drains): an UNHEALTHY task is
 * replaced, and StopTask, DeleteService and the loss of an instance end a task whatever its protection says.
 */
import type { Service } from '#model/service.ts';
import { isProtected, withProtection, type ProtectionChange } from '#model/task-protection.ts';
import { hasStopped, type Task } from '#model/task.ts';
import { utcTime } from '#model/utc-time.ts';
import type { PlanInput, PlanWaiting } from './census.ts';
import { isAlive, isLost, isUnhealthy } from './task-health.ts';

/** I16. */
export function mayStop(task: Task, { snapshot, now }: PlanInput): boolean {
  return !isProtected(task, now) || isUnhealthy(task, snapshot.service, now);
}

/** Why nothing more can be stopped, when `toGo` are to go and some of them are protected. */
export function waitingForProtection(toGo: readonly Task[], input: PlanInput): PlanWaiting | undefined {
  const protectedTasks = toGo.filter((task) => !mayStop(task, input));
  if (protectedTasks.length === 0) return undefined;
  const ends = protectedTasks.map(({ protectedUntil = 0 }) => protectedUntil);
  const reason = `the protection of ${ends.length} tasks to end, at the latest at ${utcTime(Math.max(...ends))}`;
  return { reason, until: Math.min(...ends), protectedTasks };
}

/** The earliest, of tasks that run or are to. */
export function nextProtectionEnd({ snapshot, now }: PlanInput): number | undefined {
  const ends = snapshot.tasks.filter((task) => isAlive(task) && isProtected(task, now));
  return ends.length === 0 ? undefined : Math.min(...ends.map(({ protectedUntil = Infinity }) => protectedUntil));
}

export const notOfAService = 'The task does not belong to a service.';

export type ProtectionOutcome =
  | { kind: 'granted'; task: Task }
  | { kind: 'refused'; reason: 'TASK_NOT_VALID' | 'DEPLOYMENT_BLOCKED'; detail: string };

export interface ProtectionQuestion {
  task: Task;
  /** Of the task; undefined when it has none. */
  service: Service | undefined;
  /** Live ones, `task` among them. */
  serviceTasks: readonly Task[];
  change: ProtectionChange;
}

export function decideProtection(question: ProtectionQuestion, now: number): ProtectionOutcome {
  const { task, service, serviceTasks, change } = question;
  if (task.serviceName === undefined || service === undefined) return notValid(notOfAService);
  if (!change.protectionEnabled) return { kind: 'granted', task: withProtection(task, change, now) };
  // What is on its way out stays there: to call it protected would be a lie.
  if (isLost(task)) return notValid('The task is lost: its container instance is silent, or has only just come back.');
  if (hasStopped(task) || !isAlive(task)) return notValid('The task is stopping or has stopped.');
  const count = serviceTasks.filter((other) => isAlive(other) && isProtected(other, now)).length;
  if (service.schedulingStrategy === 'REPLICA' && count > service.desiredCount) {
    return {
      kind: 'refused',
      reason: 'DEPLOYMENT_BLOCKED',
      detail:
        `The service has ${count} protected tasks and a desired count of ${service.desiredCount}. ` +
        'End the protection of some, wait until it ends, or raise the desired count.',
    };
  }
  return { kind: 'granted', task: withProtection(task, change, now) };
}

function notValid(detail: string): ProtectionOutcome {
  return { kind: 'refused', reason: 'TASK_NOT_VALID', detail };
}

/** How a service counts one of its tasks. The table is in docs/deployments.md. */
import type { Deployment, ProbationTask } from '#model/deployment.ts';
import type { Service } from '#model/service.ts';
import { hasStopped, taskStatusRank, type Task } from '#model/task.ts';
import type { ServiceSnapshot } from './snapshot.ts';

/** Given up by its service because its instance was silent for too long; whether it goes on nobody knows (docs/dead-hosts.md). */
export function isLost(task: Task): boolean {
  return task.lostAt !== undefined && !hasStopped(task);
}

/** Counts in its service: neither known to have ended nor lost. Its instance's resources are taken in either case. */
export function isLive(task: Task): boolean {
  return !hasStopped(task) && task.lostAt === undefined;
}

/** It runs or is to run, and nothing asks it to stop: RUNNING + PENDING in ECS's counting. */
export function isAlive(task: Task): boolean {
  return (
    task.desiredStatus === 'RUNNING' &&
    task.lostAt === undefined &&
    taskStatusRank(task.lastStatus) <= taskStatusRank('RUNNING')
  );
}

export function isRunning(task: Task): boolean {
  return isAlive(task) && task.lastStatus === 'RUNNING';
}

/** UNHEALTHY after its grace period. */
export function isUnhealthy(task: Task, service: Service, now: number): boolean {
  if (task.healthStatus !== 'UNHEALTHY') return false;
  const graceEnds = graceEndsAt(task, service);
  return graceEnds === undefined || graceEnds <= now;
}

export function graceEndsAt(task: Task, service: Service): number | undefined {
  const graceSeconds = service.healthCheckGracePeriodSeconds ?? 0;
  const since = task.runningSince ?? task.startedAt;
  return since === undefined || graceSeconds === 0 ? undefined : since + graceSeconds * 1000;
}

/**
 * Whether a task may take the place of another: with a health check when it is HEALTHY, without one when it has been RUNNING for
 * `healthyAfterMs`. A task that has passed its probation has been.
 */
export function isHealthy(
  task: Task,
  deployment: Deployment | undefined,
  snapshot: ServiceSnapshot,
  now: number,
): boolean {
  if (!isRunning(task) || isUnhealthy(task, snapshot.service, now)) return false;
  if (snapshot.healthChecked.has(task.taskDefinitionArn)) return task.healthStatus === 'HEALTHY';
  const entry = deployment === undefined ? undefined : probationOf(deployment).get(task.taskArn);
  if (entry === undefined) return true;
  return entry.runningSince !== undefined && entry.runningSince + snapshot.rules.healthyAfterMs <= now;
}

const probations = new WeakMap<readonly ProbationTask[], ReadonlyMap<string, ProbationTask>>();

/** A deployment's list of tasks on probation by their ARNs: asked for each task of a service, so that it is made once for each list. */
function probationOf({ progress }: Deployment): ReadonlyMap<string, ProbationTask> {
  const list = progress?.probation ?? noProbation;
  let byArn = probations.get(list);
  if (byArn === undefined) {
    byArn = new Map(list.map((entry) => [entry.taskArn, entry]));
    probations.set(list, byArn);
  }
  return byArn;
}

const noProbation: readonly ProbationTask[] = [];

/** Whether a rollout may count on the task for its completion: RUNNING, and HEALTHY where that is checked. Nothing waits 40 s here. */
export function isUp(task: Task, snapshot: ServiceSnapshot, now: number): boolean {
  if (!isRunning(task) || isUnhealthy(task, snapshot.service, now)) return false;
  return !snapshot.healthChecked.has(task.taskDefinitionArn) || task.healthStatus === 'HEALTHY';
}

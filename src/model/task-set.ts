/**
 * Task sets: the deployments of a service that an EXTERNAL controller rolls out. A task set is kept as a deployment (their ids are of one kind,
 * and both remember their launches in the same way) with this part, which only task sets have; the service's deployments are then all task sets.
 */
import type { Deployment, TaskSetPart } from './deployment.ts';
import type { Service } from './service.ts';

/** ECS's limit for one service. */
export const maximumTaskSets = 5;

export type TaskSet = Deployment & { taskSet: TaskSetPart };

export function isTaskSet(deployment: Deployment): deployment is TaskSet {
  return deployment.taskSet !== undefined;
}

/** Newest first; empty unless the service's controller is EXTERNAL. */
export function taskSetsOf({ deployments }: Pick<Service, 'deployments'>): TaskSet[] {
  return deployments.filter(isTaskSet);
}

/** PRIMARY: what the controller says serves. ACTIVE: the others. DRAINING: deleted, and its tasks stop. */
export function taskSetStatus({ status, taskSet }: TaskSet): 'PRIMARY' | 'ACTIVE' | 'DRAINING' {
  if (taskSet.draining) return 'DRAINING';
  return status === 'PRIMARY' ? 'PRIMARY' : 'ACTIVE';
}

/** How many tasks a task set is to run: its share of the service's desiredCount, rounded up as in ECS. */
export function computedDesiredCount(
  { desiredCount }: Pick<Service, 'desiredCount'>,
  { taskSet }: Pick<TaskSet, 'taskSet'>,
): number {
  if (taskSet.draining) return 0;
  // To a millionth of a task first: 33.3 % of 1000 is 333, which floating point misses.
  return Math.ceil(Math.round(desiredCount * taskSet.scalePercent * 1e4) / 1e6);
}

/** The service with the task set of the same id replaced. */
export function withTaskSet<S extends Pick<Service, 'deployments'>>(service: S, set: TaskSet): S {
  return { ...service, deployments: service.deployments.map((other) => (other.id === set.id ? set : other)) };
}

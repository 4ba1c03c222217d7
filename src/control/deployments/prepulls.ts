/**
 * Images before stops. Where an old task has to stop before a new one can start, it runs on until its instance has pulled the new images: then the
 * service is away for a start, not for a pull. A pull that fails or takes longer than its limit holds up nothing more.
 */
import { prepullLimitMs } from '#model/prepull.ts';
import type { Task } from '#model/task.ts';
import { isOnDraining, isStanding, type PlanInput, type PlanWaiting } from './census.ts';

/** The pulls that a plan asks for or waits for; it grows as tasks are considered. */
export interface PrepullPlan {
  /** Instances to ask. */
  readonly due: Set<string>;
  /** Until when each is waited for. */
  readonly untils: Map<string, number>;
}

export function emptyPrepullPlan(): PrepullPlan {
  return { due: new Set(), untils: new Map() };
}

/** Whether the task goes on for its instance's pull, which is noted. Only a task that serves, and that another revision replaces, does. */
export function goesOnForImages(task: Task, input: PlanInput, plan: PrepullPlan): boolean {
  const { snapshot, primary, now } = input;
  const arn = task.containerInstanceArn;
  const state = arn === undefined ? undefined : snapshot.prepulls.get(arn);
  if (arn === undefined || state === undefined || task.deploymentId === primary.id) return false;
  if (!isStanding(task, input) || isOnDraining(task, snapshot)) return false;
  if (state === 'due') plan.due.add(arn);
  plan.untils.set(arn, state === 'due' ? now + prepullLimitMs : state);
  return true;
}

export function pullsEndAt({ untils }: PrepullPlan): number | undefined {
  return untils.size === 0 ? undefined : Math.min(...untils.values());
}

export function waitingForImages(plan: PrepullPlan): PlanWaiting | undefined {
  const until = pullsEndAt(plan);
  return until === undefined ? undefined : { reason: 'its images to be pulled before old tasks stop', until };
}

/**
 * Services whose deployments somebody else steers (the controller EXTERNAL). Each task set is a replica service of its own, of its share of the
 * desired count and without older deployments: what keeps it there, replaces what is UNHEALTHY or on a DRAINING instance and holds back launches
 * after failures is the code of rolling.ts. There is no circuit breaker, and nothing moves from one task set to another by itself.
 */
import type { Deployment, Waiting } from '#model/deployment.ts';
import type { Service } from '#model/service.ts';
import { computedDesiredCount, taskSetsOf, type TaskSet } from '#model/task-set.ts';
import type { ServiceAction } from './actions.ts';
import {
  nextGraceEnd,
  shownWaiting,
  type PlanInput,
  type PlannedStart,
  type PlannedStop,
  type PlanWaiting,
} from './census.ts';
import { freeFailedStarts, throttle } from './launch-throttle.ts';
import { settleProbation } from './probation.ts';
import { eventSubject, eventTexts } from './reasons.ts';
import { planReplicas } from './rolling.ts';
import { isSuppressed } from './service-events.ts';
import type { ServiceSnapshot } from './snapshot.ts';
import { isAlive, isLive } from './task-health.ts';
import { nextProtectionEnd } from './task-protection.ts';

export interface TaskSetPlan {
  before: TaskSet;
  /** Absent: it was deleted and its last task has ended. */
  after?: TaskSet;
  stops: readonly PlannedStop[];
  starts: readonly PlannedStart[];
  waiting: PlanWaiting | undefined;
  /** Times (epoch ms) at which the set is to be looked at again whatever happens. */
  wakeTimes: readonly number[];
}

/** One plan for each task set, newest first. */
export function planTaskSets(snapshot: ServiceSnapshot, now: number): TaskSetPlan[] {
  return taskSetsOf(snapshot.service).map((set) => {
    const tasks = snapshot.tasks.filter(({ deploymentId }) => deploymentId === set.id);
    const service = { ...snapshot.service, desiredCount: computedDesiredCount(snapshot.service, set) };
    const own = { ...snapshot, service, tasks };
    return set.taskSet.draining ? drain(set, own) : keep(set, own, now);
  });
}

/** Deleted: all its tasks stop, protected ones too, as with a deleted service. */
function drain(set: TaskSet, { tasks }: ServiceSnapshot): TaskSetPlan {
  const idle = { before: set, starts: [], wakeTimes: [] };
  if (!tasks.some(isLive)) return { ...idle, stops: [], waiting: undefined };
  const waiting = { reason: 'tasks to stop' };
  const stops = tasks.filter(isAlive).map((task): PlannedStop => ({ task, reason: 'scaling' }));
  return { ...idle, after: { ...set, desiredCount: 0, waiting }, stops, waiting };
}

function keep(set: TaskSet, snapshot: ServiceSnapshot, now: number): TaskSetPlan {
  const outcome = settleProbation(set, snapshot, now);
  const settled = throttle(outcome, now);
  const input: PlanInput = { snapshot, primary: settled, older: [], now };
  const plan = planReplicas(input);
  const ends = [
    outcome.lookAgainAt,
    nextGraceEnd(input),
    settled.launchesHeldUntil,
    plan.waiting === undefined ? undefined : nextProtectionEnd(input),
  ];
  return {
    before: set,
    after: observed(set, settled, plan.waiting, snapshot.service.desiredCount, now),
    stops: plan.stops,
    starts: plan.starts,
    waiting: plan.waiting,
    wakeTimes: ends.flatMap((time) => (time !== undefined && time > now ? time : [])),
  };
}

function observed(
  { taskSet }: TaskSet,
  settled: Deployment,
  waiting: PlanWaiting | undefined,
  desiredCount: number,
  now: number,
): TaskSet {
  const stabilityStatus = waiting === undefined ? 'STEADY_STATE' : 'STABILIZING';
  const { waiting: _, ...rest } = settled;
  const changed = stabilityStatus !== taskSet.stabilityStatus;
  return {
    ...rest,
    desiredCount,
    taskSet: changed ? { ...taskSet, stabilityStatus, stabilityStatusAt: now } : taskSet,
    ...(waiting === undefined ? {} : { waiting: shownWaiting(waiting) }),
  };
}

/** Each set speaks for itself, as in ECS: "(service web, taskSet ecs-svc/…) …". */
export function taskSetEvents(snapshot: ServiceSnapshot, plans: readonly TaskSetPlan[], now: number): ServiceAction[] {
  const { service, unplaced, tasks } = snapshot;
  const messages: string[] = [];
  for (const { before, after, stops, waiting } of plans) {
    const subject = eventSubject(service, before.id);
    for (const { task, reason } of stops) {
      if (reason === 'unhealthy') messages.push(eventTexts.unhealthy(subject, task.taskArn));
    }
    const refused = unplaced.get(before.id);
    if (refused !== undefined) messages.push(eventTexts.unableToPlace(subject, refused.explanation));
    if (after?.launchesHeldUntil !== undefined && after.launchesHeldUntil !== before.launchesHeldUntil) {
      const neverRun = after.failedTasks > freeFailedStarts;
      messages.push(neverRun ? eventTexts.startsImpaired(subject) : eventTexts.crashing(subject));
    }
    const count = waiting?.protectedTasks?.length ?? 0;
    if (count > 0) messages.push(eventTexts.underProtection(service.serviceName, before.id, count));
  }
  const steady = plans.length > 0 && plans.every(({ after, waiting }) => after !== undefined && waiting === undefined);
  if (steady && !tasks.some((task) => isLive(task) && !isAlive(task))) {
    messages.push(eventTexts.steadyState(service.serviceName));
  }
  return messages
    .filter((message) => !isSuppressed(service.events, message, now))
    .map((message) => ({ kind: 'addEvent', message }));
}

/** What the service waits for: the newest of its task sets that waits, or the controller. */
export function waitingForTaskSets(
  { desiredCount }: Pick<Service, 'desiredCount'>,
  plans: readonly TaskSetPlan[],
): Waiting | undefined {
  const first = plans.find(({ waiting }) => waiting !== undefined)?.waiting;
  if (first !== undefined) return shownWaiting(first);
  const isEmpty = plans.every(({ after }) => after === undefined);
  return isEmpty && desiredCount > 0 ? { reason: 'a task set (CreateTaskSet)' } : undefined;
}

/**
 * The decision about one service: `(snapshot, now) -> what to do, and when to look again`. Counts outcomes, trips the breaker, plans starts
 * and stops, tells the rollout's state. It looks afresh each time and asks only for what is safe now.
 */
import { isSameValue } from '#model/same-value.ts';
import type { Deployment, Waiting } from '#model/deployment.ts';
import { isSuppressed } from './service-events.ts';
import { settleAbsences } from './absences.ts';
import type { ServiceAction } from './actions.ts';
import { nextGraceEnd, shownWaiting, type Plan, type PlanInput, type PlannedStop } from './census.ts';
import { lastCompleted } from './circuit-breaker.ts';
import { planDaemons } from './daemon.ts';
import { deadlineOf, givingUp } from './giving-up.ts';
import { countFailedPulls } from './prepulls.ts';
import { freeFailedStarts, throttle } from './launch-throttle.ts';
import { settleProbation } from './probation.ts';
import {
  completedReason,
  drainingReason,
  eventTexts,
  inProgressReason,
  rebalancingReason,
  rollbackReason,
  scalingReason,
  unhealthyReason,
} from './reasons.ts';
import { planRebalancing } from './rebalancing.ts';
import { planReplicas } from './rolling.ts';
import type { ServiceSnapshot } from './snapshot.ts';
import { isAlive, isLive } from './task-health.ts';
import { planTaskSets, taskSetEvents, waitingForTaskSets } from './task-sets.ts';
import { nextProtectionEnd } from './task-protection.ts';

/** How soon a placement that was refused is tried again even if nothing seems to have changed. */
export const placementRetryMs = 30_000;

export interface ServiceDecision {
  /** In the order in which they are to be carried out. */
  actions: ServiceAction[];
  /** Epoch milliseconds; absent when only an event can change the decision. */
  wakeAt?: number;
  /** Why the service is not where it should be; absent when it is. */
  waiting?: Waiting;
  /** Old tasks go on until instances have pulled: their answers are to be looked at. */
  awaitsImages?: true;
}

export function decideService(given: ServiceSnapshot, now: number): ServiceDecision {
  if (given.service.status === 'INACTIVE') return { actions: [] };
  const { snapshot, actions, wakeAt } = settleAbsences(given, now);
  const decision = decidePresent(snapshot, now);
  const wakeTimes = [wakeAt, decision.wakeAt].filter((time) => time !== undefined);
  return {
    ...decision,
    actions: [...actions, ...decision.actions],
    ...(wakeTimes.length === 0 ? {} : { wakeAt: Math.min(...wakeTimes) }),
  };
}

function decidePresent(snapshot: ServiceSnapshot, now: number): ServiceDecision {
  const { service } = snapshot;
  if (service.status === 'DRAINING') return decideDraining(snapshot, now);
  if (service.deploymentController === 'EXTERNAL') return decideTaskSets(snapshot, now);
  if (service.deploymentController !== 'ECS') {
    return { actions: [], waiting: { reason: `the ${service.deploymentController} deployment controller` } };
  }
  const wakeTimes: number[] = [];
  const settled = service.deployments.map((deployment) => {
    const outcome = settleProbation(deployment, snapshot, now);
    if (outcome.lookAgainAt !== undefined) wakeTimes.push(outcome.lookAgainAt);
    return throttle(outcome, now);
  });
  const found = settled.find(({ status }) => status === 'PRIMARY');
  if (found === undefined)
    return { actions: [], waiting: { reason: 'an update of the service that starts a deployment' } };
  const older = settled.filter(({ id }) => id !== found.id);
  const { deployment: primary, actions: pullsHeld } = countFailedPulls(found, snapshot, now);

  const givenUp = givingUp(service, primary, older, now);
  if (givenUp !== undefined) {
    return {
      actions: [
        ...pullsHeld,
        ...changedDeployments(service.deployments, [givenUp.deployment, ...older], now),
        ...givenUp.actions,
      ],
      wakeAt: now,
      waiting: { reason: 'the failed deployment to be taken back', until: now },
    };
  }
  const deadline = deadlineOf(service, primary);
  if (deadline !== undefined) wakeTimes.push(deadline);

  const input: PlanInput = { snapshot, primary, older, now };
  const plan = service.schedulingStrategy === 'DAEMON' ? planDaemons(input) : planReplicas(input);
  const grace = nextGraceEnd(input);
  if (grace !== undefined) wakeTimes.push(grace);
  for (const { launchesHeldUntil } of settled) {
    if (launchesHeldUntil !== undefined && launchesHeldUntil > now) wakeTimes.push(launchesHeldUntil);
  }
  if (snapshot.unplaced.size > 0) wakeTimes.push(now + placementRetryMs);
  const protectionEnds = plan.waiting === undefined ? undefined : nextProtectionEnd(input);
  if (protectionEnds !== undefined) wakeTimes.push(protectionEnds);
  if (plan.pullsAgainAt !== undefined) wakeTimes.push(plan.pullsAgainAt);

  const rebalancing = planRebalancing(input, plan);
  if (rebalancing.wakeAt !== undefined) wakeTimes.push(rebalancing.wakeAt);

  const shownUntil = failureShownUntil(primary, older, now);
  if (shownUntil !== undefined) wakeTimes.push(shownUntil);
  const waiting = plan.waiting === undefined ? waitingToLeave(shownUntil) : shownWaiting(plan.waiting);
  const next = nextPrimary(countHealthFailures(primary, plan), plan, { waiting, deadline, now });
  const kept = older.filter((deployment) => isKept(deployment, next, older, { snapshot, now }));
  const newlyHeld = settled.filter(({ id, launchesHeldUntil }) => {
    const before = service.deployments.find((deployment) => deployment.id === id);
    return launchesHeldUntil !== undefined && launchesHeldUntil !== before?.launchesHeldUntil;
  });
  const actions: ServiceAction[] = [
    ...pullsHeld,
    ...changedDeployments(service.deployments, [next, ...kept], now),
    ...older.filter((deployment) => !kept.includes(deployment)).map(({ id }) => removal(id)),
    ...stopActions(plan.stops, next.id),
    ...prepullActions(plan, next.id),
    ...plan.starts.map((start): ServiceAction => ({ kind: 'startTasks', ...start })),
    ...rebalancing.actions,
    ...events(snapshot, plan, { before: primary, after: next, kept, newlyHeld }, now),
  ];
  if (service.schedulingStrategy === 'DAEMON' && service.desiredCount !== plan.desiredCount) {
    actions.push({ kind: 'setDesiredCount', desiredCount: plan.desiredCount });
  }
  return {
    actions,
    ...(wakeTimes.length === 0 ? {} : { wakeAt: Math.min(...wakeTimes) }),
    ...(waiting === undefined ? {} : { waiting }),
    ...(plan.pullsAgainAt === undefined ? {} : { awaitsImages: true as const }),
  };
}

/** A deleted service: everything stops, and when the last task is known to have ended the service is INACTIVE. */
function decideDraining({ service, tasks }: ServiceSnapshot, now: number): ServiceDecision {
  const live = tasks.filter(isLive);
  if (live.length === 0) {
    const removals = service.deployments.map(({ id }) => removal(id));
    return { actions: [...removals, { kind: 'setStatus', status: 'INACTIVE' }] };
  }
  const alive = live.filter(isAlive).map((task): PlannedStop => ({ task, reason: 'scaling' }));
  const waiting = { reason: 'tasks to stop' };
  const told = service.deployments.map((deployment) => ({ ...deployment, waiting }));
  return {
    actions: [
      ...changedDeployments(service.deployments, told, now),
      ...stopActions(alive, service.deployments[0]?.id ?? service.serviceName),
    ],
    waiting,
  };
}

/** Task sets (EXTERNAL) share the actions of deployments, and each look settles them all. */
function decideTaskSets(snapshot: ServiceSnapshot, now: number): ServiceDecision {
  const { service, unplaced } = snapshot;
  const plans = planTaskSets(snapshot, now);
  const wakeTimes = plans.flatMap((plan) => plan.wakeTimes);
  if (unplaced.size > 0) wakeTimes.push(now + placementRetryMs);
  const kept = plans.flatMap(({ after }) => after ?? []);
  const actions: ServiceAction[] = [
    ...changedDeployments(service.deployments, kept, now),
    ...plans.filter(({ after }) => after === undefined).map(({ before }) => removal(before.id)),
    ...plans.flatMap(({ stops, before }) => stopActions(stops, before.id)),
    ...plans.flatMap(({ starts }) => starts.map((start): ServiceAction => ({ kind: 'startTasks', ...start }))),
    ...taskSetEvents(snapshot, plans, now),
  ];
  const waiting = waitingForTaskSets(service, plans);
  return {
    actions,
    ...(wakeTimes.length === 0 ? {} : { wakeAt: Math.min(...wakeTimes) }),
    ...(waiting === undefined ? {} : { waiting }),
  };
}

/** UNHEALTHY tasks of the PRIMARY that are stopped now; each is stopped once, so each counts once. */
function countHealthFailures(primary: Deployment, { stops }: Plan): Deployment {
  const failures = stops.filter(
    ({ task, reason }) => reason === 'unhealthy' && task.deploymentId === primary.id,
  ).length;
  const { progress } = primary;
  if (failures === 0 || progress === undefined) return primary;
  return {
    ...primary,
    progress: {
      ...progress,
      healthFailures: progress.healthFailures + failures,
      failures: (progress.failures ?? 0) + failures,
      lastFailure: unhealthyReason,
    },
  };
}

interface Outlook {
  waiting: Waiting | undefined;
  deadline: number | undefined;
  now: number;
}

function nextPrimary(primary: Deployment, plan: Plan, { waiting, deadline, now }: Outlook): Deployment {
  const { waiting: _, ...rest } = primary;
  const counted: Deployment = {
    ...rest,
    desiredCount: plan.desiredCount,
    ...(waiting === undefined ? {} : { waiting }),
  };
  const { id, rollbackOf } = primary;
  if (primary.rolloutState !== 'IN_PROGRESS') return counted;
  const started: Deployment = { ...counted, startedAt: primary.startedAt ?? now };
  if (plan.reached) {
    const completedAt = primary.completedAt ?? now;
    return { ...started, rolloutState: 'COMPLETED', rolloutStateReason: completedReason(id), completedAt };
  }
  const rolloutStateReason =
    rollbackOf === undefined
      ? inProgressReason(id, waiting, deadline)
      : rollbackReason(id, rollbackOf, waiting, deadline);
  return { ...started, rolloutStateReason };
}

/** A deployment that was taken back is listed for so long at least: who asks every now and then sees what became of it. */
export const failureShownMs = 60_000;

/** Until when the deployment that the PRIMARY takes back is listed although nothing of it is left; undefined when it is not. */
function failureShownUntil(
  { rollbackOf, rolledBackAt = 0 }: Deployment,
  older: readonly Deployment[],
  now: number,
): number | undefined {
  const until = rolledBackAt + failureShownMs;
  const left = until - now;
  // More is left than there ever was when control's clock was set back by hours; it is not waited for then.
  const isShown = left > 0 && left <= 2 * failureShownMs;
  return rollbackOf !== undefined && isShown && older.some(({ id }) => id === rollbackOf) ? until : undefined;
}

function waitingToLeave(until: number | undefined): Waiting | undefined {
  return until === undefined ? undefined : { reason: 'the failed deployment to leave the list', until };
}

/** An older deployment goes when none of its tasks is left, unless it is what a failing rollout would go back to, or what a way back takes back. */
function isKept(
  deployment: Deployment,
  primary: Deployment,
  older: readonly Deployment[],
  { snapshot: { tasks }, now }: { snapshot: ServiceSnapshot; now: number },
): boolean {
  if (tasks.some((task) => task.deploymentId === deployment.id && isLive(task))) return true;
  if (primary.rolloutState !== 'COMPLETED' && lastCompleted(older) === deployment) return true;
  if (primary.rollbackOf !== deployment.id) return false;
  return primary.rolloutState === 'IN_PROGRESS' || failureShownUntil(primary, older, now) !== undefined;
}

function removal(deploymentId: string): ServiceAction {
  return { kind: 'removeDeployment', deploymentId };
}

/** Puts for those that differ in more than `updatedAt`, so that a look that changes nothing writes nothing (I12). */
function changedDeployments(before: readonly Deployment[], after: readonly Deployment[], now: number): ServiceAction[] {
  const actions: ServiceAction[] = [];
  for (const deployment of after) {
    const old = before.find(({ id }) => id === deployment.id);
    if (old !== undefined && sameContent(old, deployment)) continue;
    actions.push({ kind: 'putDeployment', deployment: { ...deployment, updatedAt: now } });
  }
  return actions;
}

function sameContent(a: Deployment, b: Deployment): boolean {
  return a === b || isSameValue({ ...a, updatedAt: 0 }, { ...b, updatedAt: 0 });
}

function prepullActions({ prepulls }: Plan, deploymentId: string): ServiceAction[] {
  return prepulls.length === 0 ? [] : [{ kind: 'prepull', deploymentId, containerInstanceArns: prepulls }];
}

function stopActions(stops: readonly PlannedStop[], primaryId: string): ServiceAction[] {
  const texts: Readonly<Record<PlannedStop['reason'], string>> = {
    scaling: scalingReason(primaryId),
    unhealthy: unhealthyReason,
    draining: drainingReason,
    rebalancing: rebalancingReason(primaryId),
  };
  const actions: ServiceAction[] = [];
  for (const [reason, group] of Map.groupBy(stops, (stop) => stop.reason)) {
    const taskArns = group.map(({ task }) => task.taskArn);
    actions.push({ kind: 'stopTasks', taskArns, stopCode: 'ServiceSchedulerInitiated', reason: texts[reason] });
  }
  return actions;
}

interface Progression {
  before: Deployment;
  after: Deployment;
  kept: readonly Deployment[];
  /** Those whose launches this look holds; told only now, so that a problem that is over is not told again. */
  newlyHeld: readonly Deployment[];
}

function events(snapshot: ServiceSnapshot, plan: Plan, progression: Progression, now: number): ServiceAction[] {
  const { service, unplaced, tasks } = snapshot;
  const { before, after, kept, newlyHeld } = progression;
  const name = service.serviceName;
  const messages: string[] = [];
  for (const { task, reason } of plan.stops) {
    if (reason === 'unhealthy') messages.push(eventTexts.unhealthy(name, task.taskArn));
  }
  for (const { explanation } of unplaced.values()) messages.push(eventTexts.unableToPlace(name, explanation));
  for (const { failedTasks } of newlyHeld) {
    messages.push(failedTasks > freeFailedStarts ? eventTexts.startsImpaired(name) : eventTexts.crashing(name));
  }
  for (const [id, group] of Map.groupBy(plan.waiting?.protectedTasks ?? [], ({ deploymentId = '' }) => deploymentId)) {
    messages.push(eventTexts.underProtection(name, id, group.length));
  }
  if (plan.waiting?.deadlock === true) messages.push(eventTexts.deadlock(name));
  if (before.rolloutState !== 'COMPLETED' && after.rolloutState === 'COMPLETED') {
    messages.push(eventTexts.deploymentCompleted(name, after.id));
  }
  const steady = plan.waiting === undefined && kept.length === 0 && plan.starts.length === 0 && plan.stops.length === 0;
  if (steady && !tasks.some((task) => isLive(task) && !isAlive(task))) messages.push(eventTexts.steadyState(name));
  return messages
    .filter((message) => !isSuppressed(service.events, message, now))
    .map((message) => ({ kind: 'addEvent', message }));
}

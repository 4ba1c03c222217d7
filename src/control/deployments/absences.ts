/**
 * What a service makes of container instances whose agents are silent, and of those that are back. Pure; every look begins with it.
 *
 * - After the service's own time a task on a silent instance is *lost*: it counts for nothing in the service, so that another takes its place. Its
 *   row keeps what was last known of it, and its share of the instance, until its agent or an end of patience says otherwise.
 * - When the agent is back, a lost task is taken up again where the service lacks one. Otherwise it is one of a pair, and the service's policy says
 *   which of the two stays: the other stops when the one that stays serves, and not before.
 * - A lost task whose agent is back and whose pair is not settled yet keeps its mark: it is running, and counts for nothing.
 */
import { arnId } from '#model/arn.ts';
import { parseLostAfter, parseOnReturn, policyOf, policyTags, type Never } from '#model/policy-tags.ts';
import { isProtected } from '#model/task-protection.ts';
import type { Task } from '#model/task.ts';
import type { ServiceAction } from './actions.ts';
import { eventTexts, giveWayReason, replacedReason, scalingReason } from './reasons.ts';
import type { AgentView, ServiceSnapshot } from './snapshot.ts';
import { isAlive, isHealthy, isLive, isLost, isUnhealthy, isUp } from './task-health.ts';

export interface Absences {
  /** The snapshot as it is once the actions are carried out. */
  snapshot: ServiceSnapshot;
  actions: ServiceAction[];
  /** When the next task is lost, or a pair can be settled (epoch ms). */
  wakeAt?: number;
}

export function settleAbsences(snapshot: ServiceSnapshot, now: number): Absences {
  if (snapshot.agents.size === 0) return { snapshot, actions: [] };
  const losses = findLosses(snapshot, now);
  const afterLosses = withTasks(snapshot, losses.lost, (task) => ({ ...task, lostAt: now }));
  const returns = settleReturns(afterLosses, now);
  const wakeTimes = [...losses.wakeTimes, ...returns.wakeTimes];
  return {
    snapshot: returns.snapshot,
    actions: [...lossActions(snapshot, losses.lost), ...returns.actions],
    ...(wakeTimes.length === 0 ? {} : { wakeAt: Math.min(...wakeTimes) }),
  };
}

/** The agent of the task's instance, when it is silent or was. */
function agentOf(task: Task, { agents }: ServiceSnapshot): AgentView | undefined {
  return task.containerInstanceArn === undefined ? undefined : agents.get(task.containerInstanceArn);
}

/** Daemons have nowhere else to go; those of a deleted service keep it from its end no longer than others. */
function lostAfterOf({ service, rules }: ServiceSnapshot): number | Never {
  if (service.schedulingStrategy === 'DAEMON' && service.status === 'ACTIVE') return 'never';
  const initial = rules.lostAfterMs === 0 ? 'never' : rules.lostAfterMs;
  return policyOf<number | Never>(service.tags, policyTags.lostAfter, parseLostAfter, initial);
}

function findLosses(snapshot: ServiceSnapshot, now: number): { lost: Task[]; wakeTimes: number[] } {
  const lost: Task[] = [];
  const wakeTimes: number[] = [];
  const lostAfter = lostAfterOf(snapshot);
  if (lostAfter === 'never') return { lost, wakeTimes };
  for (const task of snapshot.tasks) {
    const agent = agentOf(task, snapshot);
    if (!isLive(task) || agent === undefined || agent.connected) continue;
    const lostAt = agent.since + lostAfter;
    if (lostAt <= now) lost.push(task);
    else wakeTimes.push(lostAt);
  }
  return { lost, wakeTimes };
}

/** Tasks on silent instances that are not lost, and when the first of them will be (epoch ms; absent: never); for those who ask. */
export function tasksOnSilent(snapshot: ServiceSnapshot, now: number): { tasks: Task[]; lostAt?: number } {
  const tasks = snapshot.tasks.filter((task) => isLive(task) && agentOf(task, snapshot)?.connected === false);
  const { wakeTimes } = findLosses(snapshot, now);
  return wakeTimes.length === 0 ? { tasks } : { tasks, lostAt: Math.min(...wakeTimes) };
}

function lossActions({ service }: ServiceSnapshot, lost: readonly Task[]): ServiceAction[] {
  if (lost.length === 0) return [];
  const taskArns = lost.map(({ taskArn }) => taskArn);
  return [
    { kind: 'loseTasks', taskArns },
    { kind: 'addEvent', message: eventTexts.lost(service.serviceName, taskArns) },
  ];
}

interface Returns {
  snapshot: ServiceSnapshot;
  actions: ServiceAction[];
  wakeTimes: number[];
}

function settleReturns(snapshot: ServiceSnapshot, now: number): Returns {
  const marked = snapshot.tasks.filter((task) => isLost(task) && task.desiredStatus === 'RUNNING');
  if (snapshot.service.status === 'DRAINING') return stopAll(snapshot, marked);
  const back = marked.filter((task) => agentOf(task, snapshot)?.connected === true);
  if (back.length === 0) return { snapshot, actions: [], wakeTimes: [] };
  if (snapshot.service.deploymentController === 'EXTERNAL') return settleForTaskSets(snapshot, back);
  const sorted = sortReturned(snapshot, back, now);
  const resumed = resume(snapshot, sorted.resumed);
  const settled =
    policyOf(snapshot.service.tags, policyTags.onReturn, parseOnReturn, 'newest') === 'newest'
      ? settleForNewest(resumed.snapshot, sorted, now)
      : settleForOriginal(resumed.snapshot, sorted, now);
  return { ...settled, actions: [...resumed.actions, ...settled.actions] };
}

/** Nothing of a deleted service is to go on, wherever it is. */
function stopAll(snapshot: ServiceSnapshot, marked: readonly Task[]): Returns {
  const { deployments, serviceName } = snapshot.service;
  return { ...stopping(snapshot, marked, () => scalingReason(deployments[0]?.id ?? serviceName)), wakeTimes: [] };
}

/** A task set that has too many takes away one like another; what is back of a set that is gone goes. */
function settleForTaskSets(snapshot: ServiceSnapshot, back: readonly Task[]): Returns {
  const sets = new Set(snapshot.service.deployments.map(({ id }) => id));
  const isOrphan = ({ deploymentId = '' }: Task): boolean => !sets.has(deploymentId);
  const resumed = resume(
    snapshot,
    back.filter((task) => !isOrphan(task)),
  );
  const stopped = stopping(resumed.snapshot, back.filter(isOrphan), ({ deploymentId = '' }) =>
    scalingReason(deploymentId),
  );
  return { ...stopped, actions: [...resumed.actions, ...stopped.actions], wakeTimes: [] };
}

interface SortedReturns {
  /** Tasks like any other again: the service lacks one, or the usual rules end them. */
  resumed: Task[];
  /** Of a pair: there are enough without them. */
  surplus: Task[];
  /** What the desired count is made of without those that are back. */
  own: Task[];
}

function sortReturned(snapshot: ServiceSnapshot, back: readonly Task[], now: number): SortedReturns {
  const { service, drainingInstances } = snapshot;
  const primary = service.deployments.find(({ status }) => status === 'PRIMARY');
  const counts = (task: Task): boolean =>
    task.deploymentId === primary?.id &&
    isAlive(unmarked(task)) &&
    !drainingInstances.has(task.containerInstanceArn ?? '') &&
    !isUnhealthy(task, service, now);
  const own = snapshot.tasks.filter((task) => isAlive(task) && counts(task));
  const candidates = back
    .filter(counts)
    .toSorted((a, b) => a.createdAt - b.createdAt || (a.taskArn < b.taskArn ? -1 : 1));
  const missing = Math.max(0, service.desiredCount - own.length);
  return {
    resumed: [...back.filter((task) => !counts(task)), ...candidates.slice(0, missing)],
    surplus: candidates.slice(missing),
    own: [...own, ...candidates.slice(0, missing)],
  };
}

/** The replacements stay. What is back goes as soon as they serve in its place. */
function settleForNewest(snapshot: ServiceSnapshot, { surplus, own }: SortedReturns, now: number): Returns {
  const { service } = snapshot;
  const primary = service.deployments.find(({ status }) => status === 'PRIMARY');
  const healthy = own.filter((task) => isHealthy(unmarked(task), primary, snapshot, now)).length;
  const needed = Math.max(0, service.desiredCount - healthy);
  const stays = surplus.filter((task) => isProtected(task, now));
  const victims = surplus.filter((task) => !isProtected(task, now)).toSorted(leastUsefulFirst);
  const settled = stopping(snapshot, victims.slice(0, Math.max(0, surplus.length - needed)), (task) =>
    replacedReason(arnId(task.containerInstanceArn ?? '')),
  );
  return { ...settled, wakeTimes: stays.map(({ protectedUntil = Infinity }) => protectedUntil) };
}

/**
 * What is back stays, once it has shown for as long as a newcomer that it runs: until then the row only tells what was true before the silence. The
 * replacement goes in the same look. What is back and does not run well goes itself, as with `newest`.
 */
function settleForOriginal(snapshot: ServiceSnapshot, { surplus, own }: SortedReturns, now: number): Returns {
  const trusted: Task[] = [];
  const givingWay: Task[] = [];
  const wakeTimes: number[] = [];
  const hopeless: Task[] = [];
  const firstLoss = Math.min(...surplus.map(({ lostAt = Infinity }) => lostAt));
  const replacements = own.filter(({ createdAt }) => createdAt >= firstLoss);
  const free = replacements.filter((task) => !isProtected(task, now)).toSorted(leastUsefulFirst);
  for (const task of surplus) {
    const trustedAt = (agentOf(task, snapshot)?.since ?? now) + snapshot.rules.healthyAfterMs;
    if (trustedAt > now) {
      wakeTimes.push(trustedAt);
      continue;
    }
    const replacement = isUp(unmarked(task), snapshot, now) ? free.shift() : undefined;
    if (replacement !== undefined) {
      trusted.push(task);
      givingWay.push(replacement);
    } else if (isUp(unmarked(task), snapshot, now) && replacements.length > givingWay.length) {
      wakeTimes.push(...replacements.map(({ protectedUntil = Infinity }) => protectedUntil).filter((end) => end > now));
    } else hopeless.push(task);
  }
  const resumed = resume(snapshot, trusted);
  const stopped = stopping(resumed.snapshot, givingWay, () => giveWayReason);
  const rest = settleForNewest(stopped.snapshot, { surplus: hopeless, own, resumed: [] }, now);
  return {
    snapshot: rest.snapshot,
    actions: [...resumed.actions, ...stopped.actions, ...rest.actions],
    wakeTimes: [...wakeTimes.filter((time) => time !== Infinity), ...rest.wakeTimes],
  };
}

function leastUsefulFirst(a: Task, b: Task): number {
  const running = ({ lastStatus }: Task): number => Number(lastStatus === 'RUNNING');
  return running(a) - running(b) || b.createdAt - a.createdAt || (a.taskArn < b.taskArn ? 1 : -1);
}

function resume(snapshot: ServiceSnapshot, tasks: readonly Task[]): Omit<Returns, 'wakeTimes'> {
  if (tasks.length === 0) return { snapshot, actions: [] };
  const taskArns = tasks.map(({ taskArn }) => taskArn);
  const alive = tasks.filter((task) => isAlive(unmarked(task))).map(({ taskArn }) => taskArn);
  const actions: ServiceAction[] = [{ kind: 'resumeTasks', taskArns }];
  if (alive.length > 0) {
    actions.push({ kind: 'addEvent', message: eventTexts.back(snapshot.service.serviceName, alive) });
  }
  return { snapshot: withTasks(snapshot, tasks, unmarked), actions };
}

function stopping(
  snapshot: ServiceSnapshot,
  tasks: readonly Task[],
  reasonOf: (task: Task) => string,
): Omit<Returns, 'wakeTimes'> {
  const actions = [...Map.groupBy(tasks, reasonOf)].map(([reason, group]): ServiceAction => ({
    kind: 'stopTasks',
    taskArns: group.map(({ taskArn }) => taskArn),
    stopCode: 'ServiceSchedulerInitiated',
    reason,
  }));
  return { snapshot: withTasks(snapshot, tasks, (task) => ({ ...task, desiredStatus: 'STOPPED' })), actions };
}

function unmarked(task: Task): Task {
  const { lostAt: _, ...rest } = task;
  return rest;
}

function withTasks(snapshot: ServiceSnapshot, changed: readonly Task[], change: (task: Task) => Task): ServiceSnapshot {
  if (changed.length === 0) return snapshot;
  const arns = new Set(changed.map(({ taskArn }) => taskArn));
  return { ...snapshot, tasks: snapshot.tasks.map((task) => (arns.has(task.taskArn) ? change(task) : task)) };
}

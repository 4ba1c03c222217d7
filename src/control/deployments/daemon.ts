/**
 * Daemons: one task of the PRIMARY deployment on each suitable ACTIVE instance, replaced by stopping first and starting then, host by
 * host within minimumHealthyPercent. A DRAINING instance loses its daemons when nothing else of a service is left on it.
 */
import type { Task } from '#model/task.ts';
import {
  countHealthy,
  isStanding,
  mayLaunch,
  stopReason,
  takeCensus,
  waitingForTasks,
  type Plan,
  type PlanInput,
  type PlannedStop,
  type PlanWaiting,
} from './census.ts';
import { isHeld } from './launch-throttle.ts';
import type { DaemonInstance } from './snapshot.ts';
import { emptyPrepullPlan, goesOnForImages, pullsAgainAt, waitingForImages, type PrepullPlan } from './prepulls.ts';
import { isAlive, isLive, isRunning, isUnhealthy, isUp } from './task-health.ts';
import { mayStop, waitingForProtection } from './task-protection.ts';

export function planDaemons(input: PlanInput): Plan {
  const { snapshot, primary, now } = input;
  const covered = snapshot.daemonInstances.filter(({ suitable }) => suitable);
  const byInstance = Map.groupBy(snapshot.tasks.filter(isLive), (task) => task.containerInstanceArn);
  const floor = Math.ceil((covered.length * snapshot.service.deploymentConfiguration.minimumHealthyPercent) / 100);
  const stops = stopsOffCoverage(input, byInstance);
  const starts: string[] = [];
  const settled: Task[] = [];
  const prepulls = emptyPrepullPlan();
  let budget = standing(covered, byInstance, input) - floor;
  let missing = 0;
  for (const { containerInstanceArn, connected } of covered) {
    const { current, outdated, leaving } = sortTasks(byInstance.get(containerInstanceArn) ?? [], input);
    const [keep, ...surplus] = current;
    stops.push(...surplus.filter((task) => mayStop(task, input)).map((task) => planned(task, input)));
    if (keep !== undefined) settled.push(keep);
    for (const task of outdated) {
      if (!mayStop(task, input)) continue;
      const free = keep !== undefined || !isStanding(task, input);
      if (!free && budget <= 0) continue;
      const images = free ? undefined : goesOnForImages(task, input, prepulls);
      if (images === 'fails') continue;
      if (!free) budget -= 1;
      if (images === undefined) stops.push(planned(task, input));
    }
    const empty = keep === undefined && outdated.length === 0 && leaving.length === 0;
    if (keep === undefined) missing += 1;
    if (empty && connected && mayLaunch(primary, now) && !snapshot.unplaced.has(primary.id))
      starts.push(containerInstanceArn);
  }
  const up = settled.filter((task) => isUp(task, snapshot, now)).length;
  const leavesLast = new Set(
    snapshot.daemonInstances
      .filter(({ draining, inUse }) => draining && inUse)
      .map(({ containerInstanceArn }) => containerInstanceArn),
  );
  const others = snapshot.tasks.filter((task) => isAlive(task) && !settled.includes(task));
  const staying = others.filter((task) => leavesLast.has(task.containerInstanceArn ?? ''));
  const reached = up === covered.length && others.length === staying.length;
  const { leaving } = takeCensus(input);
  return {
    stops,
    starts:
      starts.length === 0 ? [] : [{ deploymentId: primary.id, count: starts.length, containerInstanceArns: starts }],
    waiting:
      reached && leaving.length + staying.length === 0
        ? undefined
        : waitingReason(input, { settled, others, leaving, staying, missing, prepulls }),
    prepulls: [...prepulls.due],
    pullsAgainAt: pullsAgainAt(prepulls),
    reached,
    desiredCount: covered.length,
  };
}

/** Tasks on instances that are not, or no longer, covered. */
function stopsOffCoverage(
  input: PlanInput,
  byInstance: ReadonlyMap<string | undefined, readonly Task[]>,
): PlannedStop[] {
  const known = new Map(input.snapshot.daemonInstances.map((instance) => [instance.containerInstanceArn, instance]));
  const stops: PlannedStop[] = [];
  for (const [arn, tasks] of byInstance) {
    const instance = known.get(arn ?? '');
    if (instance?.suitable === true) continue;
    const stays = instance?.draining === true && instance.inUse;
    for (const task of tasks) {
      if (isAlive(task) && mayStop(task, input) && !(stays && isRunning(task))) stops.push(planned(task, input));
    }
  }
  return stops;
}

function sortTasks(
  tasks: readonly Task[],
  { snapshot, primary, now }: PlanInput,
): { current: Task[]; outdated: Task[]; leaving: Task[] } {
  const sorted: { current: Task[]; outdated: Task[]; leaving: Task[] } = { current: [], outdated: [], leaving: [] };
  for (const task of tasks) {
    if (!isAlive(task)) sorted.leaving.push(task);
    else if (task.deploymentId === primary.id && !isUnhealthy(task, snapshot.service, now)) sorted.current.push(task);
    else sorted.outdated.push(task);
  }
  const stays = (task: Task): number => Number(mayStop(task, { snapshot, primary, older: [], now }));
  sorted.current.sort((a, b) => stays(a) - stays(b) || a.createdAt - b.createdAt || (a.taskArn < b.taskArn ? -1 : 1));
  return sorted;
}

function standing(
  covered: readonly DaemonInstance[],
  byInstance: ReadonlyMap<string | undefined, readonly Task[]>,
  input: PlanInput,
): number {
  const tasks = covered.flatMap(({ containerInstanceArn }) => byInstance.get(containerInstanceArn) ?? []);
  const own = tasks.filter(({ deploymentId }) => deploymentId === input.primary.id);
  const old = tasks.filter((task) => task.deploymentId !== input.primary.id && isStanding(task, input));
  return countHealthy(own, input) + old.length;
}

function planned(task: Task, input: PlanInput): PlannedStop {
  return { task, reason: stopReason(task, input) };
}

interface Unfinished {
  settled: readonly Task[];
  /** Alive, and not settled. */
  others: readonly Task[];
  leaving: readonly Task[];
  /** On DRAINING instances that others still use. */
  staying: readonly Task[];
  missing: number;
  prepulls: PrepullPlan;
}

function waitingReason(input: PlanInput, unfinished: Unfinished): PlanWaiting {
  const { settled, others, leaving, staying, missing, prepulls } = unfinished;
  const { primary, snapshot, now } = input;
  if (primary.rolloutState === 'FAILED') return { reason: 'an update of the service, because the deployment failed' };
  if (missing > 0 && isHeld(primary, now)) {
    const until = primary.launchesHeldUntil;
    return { reason: 'a delay after tasks that failed', ...(until === undefined ? {} : { until }) };
  }
  if (snapshot.unplaced.has(primary.id)) return { reason: 'room for a daemon on its container instance' };
  const forTasks = waitingForTasks(settled, leaving, input);
  if (forTasks !== undefined) return forTasks;
  const forImages = waitingForImages(prepulls);
  if (forImages !== undefined) return forImages;
  const forProtection = waitingForProtection(
    others.filter((task) => !staying.includes(task)),
    input,
  );
  if (forProtection !== undefined) return forProtection;
  if (staying.length > 0) return { reason: 'other tasks to leave a DRAINING container instance' };
  return { reason: missing > 0 ? 'container instances whose agent is connected' : 'its tasks to report' };
}

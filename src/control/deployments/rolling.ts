/**
 * Replicas: keep desiredCount tasks of the PRIMARY deployment, replacing within floor and ceiling whatever is to go (older deployments,
 * DRAINING instances, UNHEALTHY tasks). Starts come first as far as the ceiling and the machines allow; what is to go leaves when
 * healthy tasks have taken its place, or earlier where only that makes room and the floor permits it.
 *
 * - Starts never bring RUNNING + PENDING above the ceiling (I3).
 * - Stops never bring what serves below the floor, as long as it is not below already (I4).
 * - Protected tasks stay, and count like the others (I16); what is to go besides them goes first.
 */
import type { Task } from '#model/task.ts';
import {
  countHealthy,
  isOnDraining,
  isStanding,
  mayLaunch,
  stopReason,
  takeCensus,
  waitingForTasks,
  type Census,
  type Plan,
  type PlanInput,
  type PlannedStart,
  type PlannedStop,
  type PlanWaiting,
} from './census.ts';
import { hasCompleted, lastCompleted } from './circuit-breaker.ts';
import { isHeld } from './launch-throttle.ts';
import { rolloutLimits } from './limits.ts';
import {
  emptyPrepullPlan,
  goesOnForImages,
  imagesRank,
  pullsAgainAt,
  waitingForImages,
  type PrepullPlan,
} from './prepulls.ts';
import { deadlockReason } from './reasons.ts';
import { isHealthy, isRunning, isUp } from './task-health.ts';
import { mayStop, waitingForProtection } from './task-protection.ts';

/** What is decided so far; the census shrinks as tasks are chosen to stop. */
interface Draft {
  readonly input: PlanInput;
  readonly floor: number;
  readonly ceiling: number;
  readonly desired: number;
  census: Census;
  readonly stops: PlannedStop[];
  readonly starts: PlannedStart[];
  readonly prepulls: PrepullPlan;
}

export function planReplicas(input: PlanInput): Plan {
  const { service } = input.snapshot;
  const { floor, ceiling } = rolloutLimits(service);
  const draft: Draft = {
    input,
    floor,
    ceiling,
    desired: service.desiredCount,
    census: takeCensus(input),
    stops: [],
    starts: [],
    prepulls: emptyPrepullPlan(),
  };
  stopSurplus(draft);
  stopWhatNeverCounted(draft);
  stopWhatIsReplaced(draft);
  const missing = startPrimary(draft);
  startReplacementsOfOld(draft);

  const { own, outgoing, leaving, returned } = draft.census;
  const up = own.filter((task) => isUp(task, input.snapshot, input.now)).length;
  const reached = up === draft.desired && own.length === draft.desired && outgoing.length === 0;
  return {
    stops: draft.stops,
    starts: draft.starts,
    prepulls: [...draft.prepulls.due],
    pullsAgainAt: pullsAgainAt(draft.prepulls),
    waiting: reached && leaving.length + returned.length === 0 ? undefined : waitingReason(draft, missing),
    reached,
    desiredCount: draft.desired,
  };
}

/** More of its own than wanted: first those that do not serve yet. */
function stopSurplus(draft: Draft): void {
  const { input, census, desired } = draft;
  const surplus = census.own.length - desired;
  if (surplus <= 0) return;
  const { primary, snapshot, now } = input;
  const victims = inRemovalOrder(
    census.own.filter((task) => mayStop(task, input)),
    input,
  ).toSorted((a, b) => Number(isHealthy(a, primary, snapshot, now)) - Number(isHealthy(b, primary, snapshot, now)));
  // Where protection keeps what does not serve, not everything that serves may go.
  const serving = countHealthy(census.own, input) + census.outgoing.filter((task) => isStanding(task, input)).length;
  let budget = Math.max(0, serving - draft.floor);
  const chosen = victims.slice(0, surplus).filter((task) => {
    if (!isHealthy(task, primary, snapshot, now)) return true;
    budget -= 1;
    return budget >= 0;
  });
  stop(draft, chosen);
}

/** What has not started and will not be wanted: on DRAINING instances, and of deployments overtaken before they completed. */
function stopWhatNeverCounted(draft: Draft): void {
  const { input, census } = draft;
  const completed = new Set(input.older.filter(hasCompleted).map(({ id }) => id)).add(input.primary.id);
  stop(
    draft,
    census.outgoing.filter(
      (task) =>
        !isRunning(task) &&
        mayStop(task, input) &&
        (isOnDraining(task, input.snapshot) || !completed.has(task.deploymentId ?? '')),
    ),
  );
}

/** Healthy newcomers have taken the place of some that are to go. */
function stopWhatIsReplaced(draft: Draft): void {
  const { input, census, desired } = draft;
  if (census.outgoing.length === 0) return;
  const stillNeeded = Math.max(0, desired - countHealthy(census.own, input));
  stopOutgoing(draft, census.outgoing.length - stillNeeded);
}

/**
 * Stops up to `count` of what is to go, in order, without going below the floor, and nothing that would be started again at once. Answers how many.
 * `ahead`: nothing has taken their place yet, so those whose instance still pulls for it go on, and count as if they had been stopped; where the pull
 * failed, another goes in their place.
 */
function stopOutgoing(draft: Draft, count: number, { ahead = false } = {}): number {
  const { input, census, floor } = draft;
  let budget =
    countHealthy(census.own, input) + census.outgoing.filter((task) => isStanding(task, input)).length - floor;
  let spare = spareToGo(draft);
  const hasLeave = (task: Task): boolean =>
    !((budget <= 0 && isStanding(task, input)) || (spare <= 0 && isKeeping(task, input)));
  const victims: Task[] = [];
  let going = 0;
  // To put them in order costs more than all the rest: only those that can go at all, as budget and spare only shrink.
  const eligible = count <= 0 ? [] : census.outgoing.filter((task) => mayStop(task, input) && hasLeave(task));
  for (const task of outgoingOrder(eligible, input)) {
    if (going >= count) break;
    if (!hasLeave(task)) continue;
    const [standing, keeping] = [isStanding(task, input), isKeeping(task, input)];
    const images = ahead ? goesOnForImages(task, input, draft.prepulls) : undefined;
    if (images === 'fails') continue;
    if (standing) budget -= 1;
    if (keeping) spare -= 1;
    going += 1;
    if (images === undefined) victims.push(task);
  }
  stop(draft, victims);
  return victims.length;
}

/** Starts what is missing of the PRIMARY; answers how many could not be started for want of room. */
function startPrimary(draft: Draft): number {
  const { input, desired } = draft;
  const { primary, snapshot, now } = input;
  const missing = desired - draft.census.own.length;
  if (missing <= 0 || !mayLaunch(primary, now)) return 0;
  const unplaced = snapshot.unplaced.get(primary.id);
  if (unplaced !== undefined) {
    const coming = draft.census.leaving.length + draft.stops.length;
    if (unplaced.forWantOfRoom) makeRoom(draft, unplaced.count - coming);
    return missing;
  }
  const allowed = Math.min(missing, room(draft));
  if (allowed < missing) makeRoom(draft, missing - allowed);
  // After a scale-in during a rollout there may be more than the ceiling: what was stopped makes no room then.
  const count = Math.min(missing, room(draft));
  start(draft, primary.id, count);
  return missing - count;
}

/**
 * Stops what is to go although nothing replaces it yet. UNHEALTHY tasks hold up no floor but may still serve a little: they go one by
 * one, each when the replacement of the one before runs.
 */
function makeRoom(draft: Draft, count: number): number {
  const { input, census } = draft;
  if (count <= 0) return 0;
  const stopped = stopOutgoingWhere(draft, count, (task) => isKeeping(task, input));
  const oneByOne = census.own.every((task) => isRunning(task)) && census.leaving.length === 0;
  if (stopped > 0 || !oneByOne) return stopped;
  return stopOutgoingWhere(draft, 1, (task) => !isKeeping(task, input));
}

function stopOutgoingWhere(draft: Draft, count: number, eligible: (task: Task) => boolean): number {
  const { census } = draft;
  const set = { ...draft, census: { ...census, outgoing: census.outgoing.filter(eligible) } };
  const stopped = stopOutgoing(set, count, { ahead: true });
  const gone = new Set(draft.stops.map(({ task }) => task.taskArn));
  draft.census = without(census, gone);
  return stopped;
}

/**
 * Something of an older deployment died before its replacement was ready: the same revision takes its place, as far as the floor wants it,
 * or up to the desired count when the PRIMARY has failed and starts nothing; but never more than it had been asked for.
 */
function startReplacementsOfOld(draft: Draft): void {
  const { input, census } = draft;
  const { snapshot, older, now } = input;
  const survivor = lastCompleted(older);
  if (survivor === undefined || !mayLaunch(survivor, now) || snapshot.unplaced.has(survivor.id)) return;
  const left = census.outgoing.filter(({ deploymentId }) => deploymentId === survivor.id).length;
  start(draft, survivor.id, Math.min(-spareToGo(draft), survivor.desiredCount - left, room(draft)));
}

/** How many of what is to go are more than the floor wants, or than the desired count when the PRIMARY has failed; negative when too few are left. */
function spareToGo({ input, census, floor, desired }: Draft): number {
  const kept = census.outgoing.filter((task) => isKeeping(task, input)).length;
  if (input.primary.rolloutState !== 'FAILED') return countHealthy(census.own, input) + kept - floor;
  return census.own.filter((task) => isRunning(task)).length + kept - desired;
}

/** Of what is to go, what holds up the floor until then, or will when it has started. */
function isKeeping(task: Task, input: PlanInput): boolean {
  return !isRunning(task) || isStanding(task, input);
}

function room({ census, starts, ceiling }: Draft): number {
  const started = starts.reduce((sum, { count }) => sum + count, 0);
  return Math.max(0, ceiling - census.own.length - census.outgoing.length - started);
}

function start(draft: Draft, deploymentId: string, count: number): void {
  if (count > 0) draft.starts.push({ deploymentId, count });
}

function stop(draft: Draft, victims: readonly Task[]): void {
  for (const task of victims) draft.stops.push({ task, reason: stopReason(task, draft.input) });
  draft.census = without(draft.census, new Set(victims.map(({ taskArn }) => taskArn)));
}

function without(census: Census, gone: ReadonlySet<string>): Census {
  if (gone.size === 0) return census;
  const { own, outgoing, leaving, returned } = census;
  const stays = ({ taskArn }: Task): boolean => !gone.has(taskArn);
  return { own: own.filter(stays), outgoing: outgoing.filter(stays), leaving, returned };
}

/** What does not serve first, then what never completed a rollout, then where the new images are, then as in a scale-in. */
function outgoingOrder(outgoing: readonly Task[], input: PlanInput): Task[] {
  const completed = new Set(input.older.filter(hasCompleted).map(({ id }) => id));
  const rank = (task: Task): number =>
    (isStanding(task, input) ? 2 : 0) + (completed.has(task.deploymentId ?? '') ? 1 : 0);
  return inRemovalOrder(outgoing, input).toSorted(
    (a, b) => rank(a) - rank(b) || imagesRank(a, input) - imagesRank(b, input),
  );
}

function inRemovalOrder(tasks: readonly Task[], { snapshot }: PlanInput): readonly Task[] {
  if (tasks.length < 2) return tasks;
  const order = new Map(snapshot.removalOrder().map((arn, index) => [arn, index]));
  const rank = ({ taskArn }: Task): number => order.get(taskArn) ?? order.size;
  return tasks.toSorted((a, b) => rank(a) - rank(b) || b.createdAt - a.createdAt || (a.taskArn < b.taskArn ? 1 : -1));
}

function waitingReason(draft: Draft, missing: number): PlanWaiting {
  const { input, census, stops, starts } = draft;
  const { snapshot, primary, now } = input;
  if (starts.length > 0) return { reason: 'tasks to start' };
  if (stops.length > 0) return waitingForTasks(census.own, census.leaving, input) ?? { reason: 'tasks to stop' };
  const forImages = waitingForImages(draft.prepulls);
  if (forImages !== undefined) return forImages;
  if (primary.rolloutState === 'FAILED') return { reason: 'an update of the service, because the deployment failed' };
  if (isHeld(primary, now)) return holding(primary.launchesHeldUntil);
  const forProtection = waitingForProtection(toGo(draft), input);
  const unplaced = snapshot.unplaced.get(primary.id);
  if (unplaced?.forWantOfRoom === true && forProtection !== undefined) return forProtection;
  if (unplaced !== undefined) return { reason: 'a container instance that meets the requirements of its tasks' };
  const forTasks = waitingForTasks(census.own, census.leaving, input);
  if (forTasks !== undefined) return forTasks;
  if (forProtection !== undefined) return forProtection;
  if (missing > 0 || census.outgoing.length > 0) {
    return { reason: deadlockReason, deadlock: true };
  }
  if (census.returned.length > 0) {
    return (
      waitingForProtection(census.returned, input) ?? { reason: 'tasks that were lost and are back to be settled' }
    );
  }
  return { reason: 'its tasks to report' };
}

/** What should not run any more, and does. */
function toGo({ census, desired }: Draft): Task[] {
  return census.own.length > desired ? [...census.outgoing, ...census.own] : census.outgoing;
}

function holding(until: number | undefined): PlanWaiting {
  const reason = 'a delay after tasks that failed';
  return until === undefined ? { reason } : { reason, until };
}

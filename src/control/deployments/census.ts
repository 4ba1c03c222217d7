/** The tasks of a service sorted by what a rollout may do with them. */
import type { Deployment, Waiting } from '#model/deployment.ts';
import { isProtected } from '#model/task-protection.ts';
import type { Task } from '#model/task.ts';
import { isHeld } from './launch-throttle.ts';
import type { ServiceSnapshot } from './snapshot.ts';
import { graceEndsAt, isAlive, isHealthy, isLive, isLost, isRunning, isUnhealthy, isUp } from './task-health.ts';

/** What the plans of replicas and of daemons share: the snapshot with its deployments settled. */
export interface PlanInput {
  snapshot: ServiceSnapshot;
  primary: Deployment;
  /** Newest first; not the primary. */
  older: readonly Deployment[];
  now: number;
}

export interface Plan {
  stops: readonly PlannedStop[];
  starts: readonly PlannedStart[];
  /** Instances that are to pull the images of the PRIMARY deployment now. */
  prepulls: readonly string[];
  /** When the first of the instances whose pulls are waited for is asked again; epoch ms. */
  pullsAgainAt: number | undefined;
  /** What keeps the service from its goal; absent when it is reached. */
  waiting: PlanWaiting | undefined;
  /** Whether the primary deployment has all its tasks up and no other task is left that should run. */
  reached: boolean;
  desiredCount: number;
}

export interface PlannedStop {
  task: Task;
  reason: 'scaling' | 'unhealthy' | 'draining' | 'rebalancing';
}

export interface PlannedStart {
  deploymentId: string;
  count: number;
  containerInstanceArns?: readonly string[];
}

export interface PlanWaiting {
  reason: string;
  until?: number;
  /** The configuration allows neither a stop nor a start. */
  deadlock?: true;
  /** Their protection keeps the service from its goal. */
  protectedTasks?: readonly Task[];
}

/** What a deployment shows of it. */
export function shownWaiting({ reason, until }: PlanWaiting): Waiting {
  return until === undefined ? { reason } : { reason, until };
}

export interface Census {
  /** Of the primary deployment, on instances that stay, not UNHEALTHY: what the desired count is made of. */
  own: Task[];
  /** To be replaced: of older deployments, on DRAINING instances, UNHEALTHY. */
  outgoing: Task[];
  /** Asked to stop or ending, not known to have ended. */
  leaving: Task[];
  /** Lost, and their agents are back: which of each pair stays is yet to be settled (absences.ts). */
  returned: Task[];
}

export function takeCensus(input: PlanInput): Census {
  const census = countAll(input);
  const victim = movingTask(census, input);
  if (victim === undefined) return census;
  return { ...census, own: census.own.filter((task) => task !== victim), outgoing: [...census.outgoing, victim] };
}

/** Whether the move that the service remembers goes on: both tasks are its own, one of them is more than it wants. */
export function isMoving(input: PlanInput): boolean {
  return movingTask(countAll(input), input) !== undefined;
}

/** What leaves for the sake of the spread, as long as its replacement is there and nothing else is missing. */
function movingTask({ own }: Census, { snapshot: { service }, now }: PlanInput): Task | undefined {
  const { move } = service.rebalancing ?? {};
  if (move === undefined || own.length <= service.desiredCount) return undefined;
  const victim = own.find(({ taskArn }) => taskArn === move.victim);
  const replaced = own.some(({ taskArn }) => taskArn === move.replacement);
  return victim !== undefined && replaced && !isProtected(victim, now) ? victim : undefined;
}

function countAll({ snapshot, primary, now }: PlanInput): Census {
  const census: Census = { own: [], outgoing: [], leaving: [], returned: [] };
  for (const task of snapshot.tasks) {
    if (isReturned(task, snapshot)) census.returned.push(task);
    if (!isLive(task)) continue;
    if (!isAlive(task)) census.leaving.push(task);
    else if (
      task.deploymentId !== primary.id ||
      isOnDraining(task, snapshot) ||
      isUnhealthy(task, snapshot.service, now)
    ) {
      census.outgoing.push(task);
    } else census.own.push(task);
  }
  return census;
}

function isReturned(task: Task, { agents }: ServiceSnapshot): boolean {
  if (!isLost(task) || task.desiredStatus !== 'RUNNING') return false;
  return agents.get(task.containerInstanceArn ?? '')?.connected === true;
}

export function isOnDraining(task: Task, { drainingInstances }: ServiceSnapshot): boolean {
  return task.containerInstanceArn !== undefined && drainingInstances.has(task.containerInstanceArn);
}

export function countHealthy(tasks: readonly Task[], { snapshot, primary, now }: PlanInput): number {
  return tasks.filter((task) => isHealthy(task, primary, snapshot, now)).length;
}

/** A task that is to be replaced holds up the floor as long as it runs and is not UNHEALTHY: the 40 s are asked of newcomers only. */
export function isStanding(task: Task, { snapshot, now }: PlanInput): boolean {
  return isRunning(task) && !isUnhealthy(task, snapshot.service, now);
}

export function stopReason(task: Task, { snapshot, now }: PlanInput): PlannedStop['reason'] {
  if (isUnhealthy(task, snapshot.service, now)) return 'unhealthy';
  if (isOnDraining(task, snapshot)) return 'draining';
  return task.taskArn === snapshot.service.rebalancing?.move?.victim ? 'rebalancing' : 'scaling';
}

/** Whether the deployment may launch: it has not failed and no delay runs. */
export function mayLaunch(deployment: Deployment, now: number): boolean {
  return deployment.rolloutState !== 'FAILED' && !isHeld(deployment, now);
}

/** What the service waits for, seen from its own tasks: the first that applies is told. No counts, as they would be written each time. */
export function waitingForTasks(
  own: readonly Task[],
  leaving: readonly Task[],
  input: PlanInput,
): PlanWaiting | undefined {
  const { snapshot, primary, now } = input;
  if (own.some((task) => !isRunning(task))) return { reason: 'tasks to start' };
  if (own.some((task) => !isUp(task, snapshot, now))) return { reason: 'tasks to become healthy' };
  if (own.some((task) => !isHealthy(task, primary, snapshot, now))) {
    return { reason: `tasks to have been running for ${snapshot.rules.healthyAfterMs / 1000} s` };
  }
  return leaving.length > 0 ? { reason: 'tasks to stop' } : undefined;
}

/** When the grace period of an UNHEALTHY task ends; the earliest. */
export function nextGraceEnd({ snapshot, now }: PlanInput): number | undefined {
  let next: number | undefined;
  for (const task of snapshot.tasks) {
    if (!isAlive(task) || task.healthStatus !== 'UNHEALTHY') continue;
    const ends = graceEndsAt(task, snapshot.service);
    if (ends !== undefined && ends > now) next = Math.min(next ?? Infinity, ends);
  }
  return next;
}

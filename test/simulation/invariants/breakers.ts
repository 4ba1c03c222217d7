/**
 * I19: what a circuit breaker does, held against the tasks alone. Only failures that nothing can have set back are counted, so that the sum is never too high
 * where a start is judged; and all that may count are, so that it is never too low where a rollout was given up.
 */
import type { Deployment } from '#model/deployment.ts';
import type { DeploymentCircuitBreaker, Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';
import type { Change, Rows } from '../mirror.ts';
import { Violation } from '../violation.ts';
import { quickCrashMs, type SeenRunning } from './seen-running.ts';

/** Rows of ended tasks are forgotten after a day. */
const forgottenMs = 20 * 3_600_000;
const imageFailures = 3;

/** The look that starts tasks has counted those that ended before it. */
export function checkBreakerStarts(
  before: Service,
  after: Service,
  started: readonly Change<Task>[],
  rows: Rows,
  seen: SeenRunning,
): void {
  const [was, is] = [breakerOf(before), breakerOf(after)];
  const deployment = before.deployments.find(({ status }) => status === 'PRIMARY');
  if (was === undefined || is === undefined || deployment === undefined) return;
  const { id, rolloutState, rollbackOf } = deployment;
  if (rolloutState !== 'IN_PROGRESS' || rollbackOf !== undefined) return;
  const mine = started.filter((change) => change.after?.deploymentId === id);
  if (mine.length === 0) return;
  const fresh = new Set(mine.map((change) => change.after?.taskArn));
  const tasks = tasksOf(id, rows).filter(({ taskArn }) => !fresh.has(taskArn));
  const at = Math.min(...mine.map((change) => change.after?.createdAt ?? 0));
  const failures = Math.min(...[was, is].map((breaker) => certainFailures(breaker, tasks, seen, at)));
  const thresholds = [was, is].flatMap((breaker) => [thresholdOf(breaker, before), thresholdOf(breaker, after)]);
  const threshold = Math.max(...thresholds);
  if (failures < threshold) return;
  const what = `${id} of ${after.serviceName} started ${mine.length} tasks after ${failures} failures`;
  throw new Violation('I19', `${what}, and its circuit breaker trips at ${threshold}`);
}

/** A breaker that trips has seen as many failures as it takes. */
export function checkTrips({ before, after }: Change<Service>, rows: Rows, seen: SeenRunning): void {
  if (before === undefined || after === undefined) return;
  const breaker = breakerOf(after);
  for (const deployment of after.deployments) {
    const { id, rolloutState, failedBy, createdAt, updatedAt, progress } = deployment;
    const was = before.deployments.find((each) => each.id === id);
    if (rolloutState !== 'FAILED' || failedBy !== 'breaker' || was?.rolloutState === 'FAILED') continue;
    if (breaker === undefined || updatedAt - createdAt > forgottenMs) continue;
    // Which pulls failed since the last success nobody can tell from the tasks.
    if ((progress?.imageFailures ?? 0) >= imageFailures || breaker.resetOnHealthyTask === false) continue;
    const failures = possibleFailures(deployment, rows) + seen.forgottenOf(id);
    const threshold = Math.min(thresholdOf(breaker, after), thresholdOf(breaker, before));
    if (failures >= threshold) continue;
    const what = `the breaker of ${after.serviceName} ended ${id} after ${failures} failures`;
    throw new Violation('I19', `${what}, before the ${threshold} that it takes`);
  }
}

function breakerOf(service: Service): DeploymentCircuitBreaker | undefined {
  const breaker = service.deploymentConfiguration.deploymentCircuitBreaker;
  return breaker?.enable === true ? breaker : undefined;
}

function thresholdOf({ thresholdConfiguration }: DeploymentCircuitBreaker, { desiredCount }: Service): number {
  const { type, value } = thresholdConfiguration ?? { type: 'BOUNDED_PERCENT', value: 50 };
  if (type === 'COUNT') return value;
  let share = 1;
  while (share * 100 < desiredCount * value) share += 1;
  if (type === 'UNBOUNDED_PERCENT') return share;
  if (share < 3) return 3;
  return share > 200 ? 200 : share;
}

function tasksOf(deploymentId: string, rows: Rows): Task[] {
  return [...rows.tasks.values()].filter((task) => task.deploymentId === deploymentId);
}

function certainFailures(
  { resetOnHealthyTask }: DeploymentCircuitBreaker,
  tasks: readonly Task[],
  seen: SeenRunning,
  at: number,
): number {
  const ended = tasks.filter(({ lastStatus, lostAt }) => lastStatus === 'STOPPED' && lostAt === undefined);
  const failed = ended.filter(endedByItself);
  const failedStarts = failed.filter(({ startedAt }) => startedAt === undefined).length;
  // What control saw RUNNING for long enough before it heard of the end was a success to it.
  const crashes = failed.filter((task) => crashedAtOnce(task) && !seen.forLong(task.taskArn));
  if (resetOnHealthyTask === false) {
    return failedStarts + crashes.length + tasks.filter((task) => wasUnhealthy(task, at)).length;
  }
  const ran = tasks.filter(({ startedAt, lastStatus }) => startedAt !== undefined || lastStatus === 'RUNNING');
  const mayHaveProven = ran.length > crashes.length;
  return (ran.length > 0 ? 0 : failedStarts) + (mayHaveProven ? 0 : crashes.length);
}

function possibleFailures({ id, progress }: Deployment, rows: Rows): number {
  const tasks = tasksOf(id, rows).filter(
    (task) => task.desiredStatus === 'STOPPED' && (endedByItself(task) || task.healthStatus === 'UNHEALTHY'),
  );
  return tasks.length + (progress?.failedPulls ?? 0);
}

/** Its service stopped it for that in a look before `at`: the look that stops it counts it after its own starts. */
function wasUnhealthy({ stoppedReason, stoppingAt }: Task, at: number): boolean {
  return stoppedReason === 'Task failed container health checks' && stoppingAt !== undefined && stoppingAt < at;
}

function endedByItself({ stopCode }: Task): boolean {
  return stopCode === undefined || stopCode === 'TaskFailedToStart' || stopCode === 'EssentialContainerExited';
}

/** By the clock of the machine on both ends. */
function crashedAtOnce({ startedAt, executionStoppedAt, stoppedAt }: Task): boolean {
  const end = executionStoppedAt ?? stoppedAt;
  return startedAt !== undefined && end !== undefined && end - startedAt < quickCrashMs;
}

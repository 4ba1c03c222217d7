/**
 * Counting outcomes exactly once. A launched task is put on its deployment's probation list in the transaction that creates it, and
 * leaves it in the transaction that counts its outcome; both are one write, so neither a crash nor a repeated look counts twice.
 */
import { freshProgress, type Deployment, type ProbationTask } from '#model/deployment.ts';
import { isImageFailure, reasonInShort } from '#model/pull-failure.ts';
import { hasStopped, taskStatusRank, type Task } from '#model/task.ts';
import type { ServiceSnapshot } from './snapshot.ts';
import { isLost } from './task-health.ts';

/** A task that ends by itself before it has run this long crashed quickly. */
export const quickCrashMs = 10_000;

export interface SettledDeployment {
  deployment: Deployment;
  /** Failed starts and quick crashes that this look found. */
  newFailures: number;
  /** When a task on probation next changes its standing by time alone (epoch ms). */
  lookAgainAt?: number;
}

/** The deployment after all outcomes that the snapshot shows. */
export function settleProbation(deployment: Deployment, snapshot: ServiceSnapshot, now: number): SettledDeployment {
  if (deployment.progress?.probation.length === 0) return { deployment, newFailures: 0 };
  const progress = deployment.progress ?? freshProgress;
  const byArn = tasksByArn(progress.probation, snapshot);
  let { failedTasks } = deployment;
  let { quickCrashes, healthFailures } = progress;
  let { imageFailures = 0, failedPulls = 0, ran, lastFailure } = progress;
  let newFailures = 0;
  let lookAgainAt: number | undefined;
  const probation: ProbationTask[] = [];
  for (const entry of inOrderOfOutcome(progress.probation, byArn)) {
    const task = byArn.get(entry.taskArn);
    if (task === undefined) continue;
    const outcome = outcomeOf(task, entry, snapshot, now);
    switch (outcome.kind) {
      case 'starting':
      case 'unknown':
        probation.push(entry);
        break;
      case 'running':
        if (entry.runningSince === undefined) failedTasks = failedPulls = 0;
        ran = true;
        probation.push(
          entry.runningSince === outcome.since ? entry : { taskArn: entry.taskArn, runningSince: outcome.since },
        );
        if (outcome.changesAt !== undefined) lookAgainAt = Math.min(lookAgainAt ?? Infinity, outcome.changesAt);
        break;
      case 'proven':
        if (entry.runningSince === undefined) failedTasks = failedPulls = 0;
        ran = true;
        quickCrashes = 0;
        healthFailures = 0;
        break;
      case 'failedToStart':
        failedTasks += 1;
        newFailures += 1;
        if (ran === undefined && isImageFailure(task.stoppedReason)) imageFailures += 1;
        lastFailure = failureOf(task);
        break;
      case 'crashed':
        if (entry.runningSince === undefined) failedTasks = failedPulls = 0;
        ran = true;
        quickCrashes += 1;
        newFailures += 1;
        lastFailure = failureOf(task);
        break;
      case 'ended':
        break;
    }
  }
  const settled: Deployment = {
    ...deployment,
    failedTasks,
    progress: {
      ...progress,
      // The very same list when nothing changed: it is as long as the service is large, and is compared more than once.
      probation: sameEntries(progress.probation, probation) ? progress.probation : probation,
      quickCrashes,
      healthFailures,
      ...(failedPulls === (progress.failedPulls ?? 0) ? {} : { failedPulls }),
      ...(newFailures === 0 ? {} : { failures: (progress.failures ?? 0) + newFailures }),
      ...(imageFailures === 0 ? {} : { imageFailures }),
      ...(ran === undefined ? {} : { ran }),
      ...(lastFailure === undefined ? {} : { lastFailure }),
    },
  };
  return { deployment: settled, newFailures, ...(lookAgainAt === undefined ? {} : { lookAgainAt }) };
}

/** Most of the time nothing is on probation, and services are large. */
function tasksByArn(probation: readonly ProbationTask[], { tasks }: ServiceSnapshot): ReadonlyMap<string, Task> {
  const byArn = new Map<string, Task>();
  if (probation.length > 0) for (const task of tasks) byArn.set(task.taskArn, task);
  return byArn;
}

function sameEntries(a: readonly ProbationTask[], b: readonly ProbationTask[]): boolean {
  return a.length === b.length && a.every((entry, index) => entry === b[index]);
}

type Outcome =
  | { kind: 'starting' }
  | { kind: 'unknown' }
  | { kind: 'running'; since: number; changesAt?: number }
  | { kind: 'proven' }
  | { kind: 'failedToStart' }
  | { kind: 'crashed' }
  /** Ended for a reason that says nothing about the deployment: stopped on request, or its instance was lost. */
  | { kind: 'ended' };

function outcomeOf(task: Task, entry: ProbationTask, snapshot: ServiceSnapshot, now: number): Outcome {
  // Nothing is known of a lost task: neither time nor silence counts for or against it.
  if (isLost(task)) return { kind: 'unknown' };
  const started = entry.runningSince !== undefined || task.startedAt !== undefined;
  if (hasStopped(task)) {
    if (!endedByItself(task)) return { kind: 'ended' };
    if (!started) return { kind: 'failedToStart' };
    return ranFor(task) < quickCrashMs ? { kind: 'crashed' } : { kind: 'proven' };
  }
  if (task.lastStatus !== 'RUNNING' && !started) return { kind: 'starting' };
  // It is ending: how long that takes says nothing of how long it ran.
  if (taskStatusRank(task.lastStatus) > taskStatusRank('RUNNING')) return { kind: 'unknown' };
  // A time that is yet to come was noted by a clock that has been set back since: its wait begins anew, and is not as much longer.
  const since = Math.min(entry.runningSince ?? now, now);
  const checked = snapshot.healthChecked.has(task.taskDefinitionArn);
  const healthyAt = since + (checked ? 0 : snapshot.rules.healthyAfterMs);
  const provenAt = Math.max(since + quickCrashMs, healthyAt);
  if (now >= provenAt && (!checked || task.healthStatus === 'HEALTHY')) return { kind: 'proven' };
  const changesAt = [healthyAt, provenAt].filter((time) => time > now);
  return { kind: 'running', since, ...(changesAt.length === 0 ? {} : { changesAt: Math.min(...changesAt) }) };
}

/** The container that says most: the one with a reason of its own. */
function failureOf({ containers, stoppedReason }: Task): string {
  const told = containers.find(({ reason, exitCode }) => reason !== undefined && exitCode !== 0)?.reason;
  const exitCode = containers.find((container) => (container.exitCode ?? 0) !== 0)?.exitCode;
  const ended = exitCode === undefined ? undefined : `${stoppedReason ?? 'Task stopped'} (exit code ${exitCode})`;
  return reasonInShort(told ?? ended ?? stoppedReason ?? 'no reason was given');
}

function endedByItself({ stopCode }: Task): boolean {
  return stopCode === undefined || stopCode === 'TaskFailedToStart' || stopCode === 'EssentialContainerExited';
}

/** By the agent's clock on both ends, so that a wrong clock does no harm. */
function ranFor({ startedAt, executionStoppedAt, stoppedAt }: Task): number {
  const end = executionStoppedAt ?? stoppedAt;
  return startedAt === undefined || end === undefined ? 0 : end - startedAt;
}

/** Starts reset what failures count, so what happened first is counted first. */
function inOrderOfOutcome(
  probation: readonly ProbationTask[],
  byArn: ReadonlyMap<string, Task>,
): readonly ProbationTask[] {
  const timeOf = ({ taskArn }: ProbationTask): number => {
    const task = byArn.get(taskArn);
    return task?.stoppedAt ?? task?.startedAt ?? Infinity;
  };
  let latest = -Infinity;
  const isInOrder = probation.every((entry) => {
    const [before, time] = [latest, timeOf(entry)];
    latest = time;
    return before <= time;
  });
  if (isInOrder) return probation;
  const timed = probation.map((entry) => ({ entry, time: timeOf(entry) }));
  return timed.toSorted((a, b) => (a.time === b.time ? 0 : a.time - b.time)).map(({ entry }) => entry);
}

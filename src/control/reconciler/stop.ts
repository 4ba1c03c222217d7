/**
 * Asking tasks to stop, inside the caller's transaction: StopTask, services, drains and deregistration all come through here. The first
 * request decides stop code and reason; asking again changes nothing.
 */
import type { Clock } from '#lib/clock.ts';
import { noLongerWaiting } from '#model/placement-wait.ts';
import { hasStopped, type StopCode, type Task } from '#model/task.ts';
import type { StoreTransaction } from '#control/store/store.ts';
import { assignmentNumbers } from './assignment-number.ts';

export interface StopDeps {
  clock: Clock;
}

export interface StopRequest {
  stopCode: StopCode;
  /** At most 1024 characters are kept. */
  reason: string;
}

const longestReason = 1024;

/** The task as it is saved afterwards: on its way out, or STOPPED at once when no agent could answer for it. */
export async function requestStop(
  tx: StoreTransaction,
  deps: StopDeps,
  task: Task,
  request: StopRequest,
): Promise<Task> {
  const [stopping = task] = await requestStops(tx, deps, [task], request);
  return stopping;
}

/** Several tasks for one reason; each instance's line of assignments moves once. Answers in the order of `tasks`. */
export async function requestStops(
  tx: StoreTransaction,
  deps: StopDeps,
  tasks: readonly Task[],
  request: StopRequest,
): Promise<Task[]> {
  const numberOf = assignmentNumbers(tx);
  const answered: Task[] = [];
  const changed: Task[] = [];
  for (const task of tasks) {
    if (hasStopped(task) || task.desiredStatus === 'STOPPED') {
      answered.push(task);
      continue;
    }
    const stopping = stoppingTask(task, request, deps.clock.now());
    const arn = task.containerInstanceArn;
    const instance = arn === undefined ? undefined : await tx.containerInstances.get(arn);
    const next =
      instance === undefined || instance.status === 'INACTIVE'
        ? stoppedTask(stopping, deps.clock.now())
        : { ...stopping, assignmentNumber: await numberOf(instance.containerInstanceArn) };
    changed.push(next);
    answered.push(next);
  }
  if (changed.length > 0) await tx.tasks.putMany(changed);
  return answered;
}

/**
 * Control declares tasks ended whose agent cannot answer (instance lost, or deregistered by force), without waiting for it. Already
 * stopped ones stay as they are. The line of assignments moves, so that an agent that returns learns that they are to end.
 */
export async function declareStopped(
  tx: StoreTransaction,
  deps: StopDeps,
  tasks: readonly Task[],
  request: StopRequest,
): Promise<void> {
  const numberOf = assignmentNumbers(tx);
  const changed: Task[] = [];
  for (const task of tasks) {
    if (hasStopped(task)) continue;
    const arn = task.containerInstanceArn;
    const known = arn !== undefined && (await tx.containerInstances.get(arn)) !== undefined;
    const assignmentNumber = known ? await numberOf(arn) : task.assignmentNumber;
    const now = deps.clock.now();
    const stopping = task.desiredStatus === 'STOPPED' ? task : stoppingTask(task, request, now);
    changed.push({ ...stoppedTask(stopping, now), assignmentNumber });
  }
  if (changed.length > 0) await tx.tasks.putMany(changed);
}

/** A task that never had a place, ended: nothing is to be told to anybody. */
export function endedUnplaced(task: Task, request: StopRequest, now: number): Task {
  return stoppedTask(stoppingTask(task, request, now), now);
}

function stoppingTask(task: Task, { stopCode, reason }: StopRequest, now: number): Task {
  return {
    ...task,
    desiredStatus: 'STOPPED',
    stopCode: task.stopCode ?? stopCode,
    stoppedReason: task.stoppedReason ?? reason.slice(0, longestReason),
    stoppingAt: task.stoppingAt ?? now,
    version: task.version + 1,
  };
}

function stoppedTask(live: Task, now: number): Task {
  const task = noLongerWaiting(live);
  return {
    ...task,
    desiredStatus: 'STOPPED',
    lastStatus: 'STOPPED',
    stoppedAt: task.stoppedAt ?? now,
    containers: task.containers.map((container) => ({ ...container, lastStatus: 'STOPPED' })),
    version: task.version + 1,
  };
}

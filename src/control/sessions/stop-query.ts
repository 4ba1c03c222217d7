/**
 * Decides anew, in the database and under a number newer than all sent before, which of the tasks an agent asks about shall stop. A task stops
 * only on evidence that it is over for control; what a restored database has forgotten is not evidence (docs/session.md, S5 and S6).
 */
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Task } from '#model/task.ts';
import type { StoreTransaction } from '../store/store.ts';

export interface StopQuestion {
  readonly containerInstanceArn: string;
  readonly taskArns: readonly string[];
  /** The tasks of the session's hello that its complete set lacked, with the number under which the agent got them. */
  readonly unlisted: ReadonlyMap<string, number>;
}

export interface StopAnswer {
  /** On the instance's line; a new one when anything stops. */
  readonly number: number;
  readonly stop: readonly string[];
  readonly keep: readonly KeptTask[];
}

export interface KeptTask {
  readonly taskArn: string;
  readonly why: 'wanted' | 'forgotten' | 'not asked in order';
}

/** Undefined when the instance is gone. */
export async function answerStopQuestion(
  tx: StoreTransaction,
  question: StopQuestion,
): Promise<StopAnswer | undefined> {
  const instance = await tx.containerInstances.get(question.containerInstanceArn);
  if (instance === undefined) return undefined;
  const tasks = new Map((await tx.tasks.getMany(question.taskArns)).map((task) => [task.taskArn, task]));
  const stop: string[] = [];
  const keep: KeptTask[] = [];
  for (const taskArn of new Set(question.taskArns)) {
    const why = reasonToKeep(instance, tasks.get(taskArn), question.unlisted.get(taskArn));
    if (why === undefined) stop.push(taskArn);
    else keep.push({ taskArn, why });
  }
  if (stop.length === 0) return { number: instance.assignmentNumber, stop, keep };
  const number = instance.assignmentNumber + 1;
  await tx.containerInstances.put({ ...instance, assignmentNumber: number });
  return { number, stop, keep };
}

function reasonToKeep(
  instance: ContainerInstance,
  task: Task | undefined,
  receivedUnder: number | undefined,
): KeptTask['why'] | undefined {
  if (receivedUnder === undefined) return 'not asked in order';
  if (task === undefined) return wasForgotten(instance, receivedUnder) ? 'forgotten' : undefined;
  const over = task.lastStatus === 'STOPPED' || task.desiredStatus === 'STOPPED';
  return over || task.containerInstanceArn !== instance.containerInstanceArn ? undefined : 'wanted';
}

function wasForgotten(instance: ContainerInstance, number: number): boolean {
  return (instance.forgottenAssignments ?? []).some(({ after, upTo }) => number > after && number <= upTo);
}

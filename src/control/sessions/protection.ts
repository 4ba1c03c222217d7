/** Answers a task that asks, through its agent, to be protected or how it stands. An agent speaks for the tasks of its own instance alone. */
import { isProtected } from '#model/task-protection.ts';
import type { Task } from '#model/task.ts';
import type { ProtectionReply, ProtectionRequest } from '#protocol/session/protection.ts';
import { notOfAService } from '../deployments/task-protection.ts';
import { protectionOf } from '../reconciler/protect.ts';
import type { Store } from '../store/store.ts';

export interface ProtectionQuestion {
  /** Who asks. */
  readonly containerInstanceArn: string;
  readonly message: ProtectionRequest;
  readonly now: number;
}

export async function answerProtection(
  store: Store,
  { containerInstanceArn, message: { taskArn, change }, now }: ProtectionQuestion,
): Promise<ProtectionReply> {
  const isOwn = (task: Task | undefined): task is Task => task?.containerInstanceArn === containerInstanceArn;
  if (change === undefined) {
    const task = await store.read((tx) => tx.tasks.get(taskArn));
    if (!isOwn(task)) return missing;
    return task.serviceName === undefined ? notValid : stateOf(task, now);
  }
  return store.write(async (tx) => {
    const task = await tx.tasks.get(taskArn);
    if (!isOwn(task)) return missing;
    const outcome = await protectionOf(tx, change, now)(task);
    if (outcome.kind === 'granted') return stateOf(outcome.task, now);
    return { kind: 'failure', reason: outcome.reason, detail: outcome.detail };
  });
}

const missing: ProtectionReply = { kind: 'failure', reason: 'MISSING' };
const notValid: ProtectionReply = { kind: 'failure', reason: 'TASK_NOT_VALID', detail: notOfAService };

function stateOf(task: Task, now: number): ProtectionReply {
  const { protectedUntil } = task;
  if (protectedUntil === undefined || !isProtected(task, now)) return { kind: 'protection' };
  return { kind: 'protection', until: protectedUntil };
}

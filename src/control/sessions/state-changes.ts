/**
 * Writes a batch of state changes: one transaction a message, acknowledged after the commit. Every change is answered, replays too, so that the
 * agent can forget it; what can never be applied is answered as rejected.
 */
import { withPinnedImages } from '../deployments/pinned-images.ts';
import { saveService } from '../reconciler/save-service.ts';
import type { StoreTransaction } from '../store/store.ts';
import type { Task } from '#model/task.ts';
import type { StateAck, StateChanges } from '#protocol/session/messages.ts';
import { applyTaskState } from './apply-task-state.ts';

export interface StateChangesRequest {
  /** Who reports. */
  readonly containerInstanceArn: string;
  readonly message: StateChanges;
  readonly now: number;
}

export async function writeStateChanges(
  tx: StoreTransaction,
  { containerInstanceArn, message, now }: StateChangesRequest,
): Promise<StateAck> {
  const arns = [...new Set(message.changes.map(({ taskArn }) => taskArn))];
  const tasks = new Map((await tx.tasks.getMany(arns)).map((task) => [task.taskArn, task]));
  const changed = new Set<string>();
  const digestsFound = new Set<string>();
  const acks: StateAck['acks'] = [];
  for (const change of message.changes) {
    const { taskArn, number } = change;
    const task = tasks.get(taskArn);
    if (task === undefined) {
      acks.push({ taskArn, number, rejected: 'the task is not known' });
      continue;
    }
    if (task.containerInstanceArn !== containerInstanceArn) {
      acks.push({ taskArn, number, rejected: 'the task belongs to another container instance' });
      continue;
    }
    const next = applyTaskState(task, change, now);
    if (next !== undefined) {
      if (hasNewDigest(task, next)) digestsFound.add(taskArn);
      tasks.set(taskArn, next);
      changed.add(taskArn);
    }
    acks.push({ taskArn, number });
  }
  const news = [...tasks.values()].filter(({ taskArn }) => changed.has(taskArn));
  if (news.length > 0) await tx.tasks.putMany(news);
  await pinNewImages(
    tx,
    news.filter(({ taskArn }) => digestsFound.has(taskArn)),
    now,
  );
  return { type: 'stateAck', acks };
}

/** Only tasks that were launched by tag tell something new, and each does once. */
function hasNewDigest(before: Task, after: Task): boolean {
  return after.containers.some(
    ({ imageDigest, pinnedDigest }, index) =>
      imageDigest !== undefined && pinnedDigest === undefined && before.containers[index]?.imageDigest === undefined,
  );
}

async function pinNewImages(tx: StoreTransaction, tasks: readonly Task[], now: number): Promise<void> {
  for (const task of tasks) {
    if (task.serviceName === undefined) continue;
    const service = await tx.services.get(task.clusterName, task.serviceName);
    const pinned = service && withPinnedImages(service, task);
    if (pinned !== undefined && pinned !== service) await saveService(tx, { before: service, after: pinned, now });
  }
}

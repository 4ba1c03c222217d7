/** Writes whether an instance's agent is connected, to the instance and to its live tasks. Only the session layer writes these fields. */
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Task } from '#model/task.ts';
import type { Store, StoreTransaction } from '../store/store.ts';

export interface ConnectivityChange {
  readonly connected: boolean;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** Puts the instance, with everything else the caller has changed in it, and those of its live tasks that say otherwise. */
export async function putWithConnectivity(
  tx: StoreTransaction,
  instance: ContainerInstance,
  { connected, now }: ConnectivityChange,
): Promise<ContainerInstance> {
  const { heardUpTo, ...rest } = instance;
  const head = instance.agentConnected ? undefined : heardUpTo;
  const next: ContainerInstance = {
    ...rest,
    ...(connected ? {} : { heardUpTo: head ?? instance.assignmentNumber }),
    agentConnected: connected,
    agentConnectedChangedAt: instance.agentConnected === connected ? instance.agentConnectedChangedAt : now,
    version: instance.version + 1,
  };
  await tx.containerInstances.put(next);
  const connectivity: Task['connectivity'] = connected ? 'CONNECTED' : 'DISCONNECTED';
  const stale = (await tx.tasks.all({ containerInstanceArn: next.containerInstanceArn, live: true })).filter(
    (task) => task.connectivity !== connectivity,
  );
  if (stale.length > 0) {
    await tx.tasks.putMany(
      stale.map((task) => ({ ...task, connectivity, connectivityAt: now, version: task.version + 1 })),
    );
  }
  return next;
}

/** Makes the row say `connected` if it does not yet. A row that is gone or was deregistered is left alone. */
export async function writeConnectivity(
  tx: StoreTransaction,
  containerInstanceArn: string,
  change: ConnectivityChange,
): Promise<void> {
  const instance = await tx.containerInstances.get(containerInstanceArn);
  if (instance === undefined || instance.agentConnected === change.connected) return;
  if (change.connected && instance.status === 'INACTIVE') return;
  await putWithConnectivity(tx, instance, change);
}

/** A fleet is too large for one transaction: each of these instances is written with all its tasks. */
const silencedAtOnce = 50;

/**
 * At the start of control nobody is connected. The silence of every instance is dated from now: control was away itself, and an agent that had
 * nobody to talk to is not lost. Whoever starts and ends half way leaves the rest to the next start.
 */
export async function startSilences(store: Pick<Store, 'read' | 'write'>, now: number): Promise<void> {
  const instances = await store.read((tx) => tx.containerInstances.list({}));
  const arns = instances.map(({ containerInstanceArn }) => containerInstanceArn);
  for (let start = 0; start < arns.length; start += silencedAtOnce) {
    await store.write((tx) => silence(tx, arns.slice(start, start + silencedAtOnce), now));
  }
}

async function silence(tx: StoreTransaction, containerInstanceArns: readonly string[], now: number): Promise<void> {
  for (const arn of containerInstanceArns) {
    const instance = await tx.containerInstances.get(arn);
    if (instance === undefined || instance.status === 'INACTIVE') continue;
    await putWithConnectivity(tx, { ...instance, agentConnectedChangedAt: now }, { connected: false, now });
  }
}

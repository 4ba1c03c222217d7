/**
 * A machine goes down in order: its instance is DRAINING until it is back, so that its services replace their tasks elsewhere while they still run here. An agent speaks
 * for its own instance alone, and takes back only what was done because of it: one that people drain stays DRAINING.
 */
import type { ContainerInstance } from '#model/container-instance.ts';
import type { GoingDownAnswer } from '#protocol/session/going-down.ts';
import type { Store } from '../store/store.ts';

export async function drainGoingDown(
  store: Store,
  containerInstanceArn: string,
  now: number,
): Promise<GoingDownAnswer> {
  return store.write(async (tx) => {
    const instance = await tx.containerInstances.get(containerInstanceArn);
    if (instance === undefined) return { type: 'goingDownAnswer', drained: false, others: 0 };
    const active = await tx.containerInstances.list({ clusterName: instance.clusterName, statuses: ['ACTIVE'] });
    const others = active.filter((each) => each.agentConnected && each.containerInstanceArn !== containerInstanceArn);
    const drained = instance.status === 'ACTIVE';
    if (drained) {
      await tx.containerInstances.put({
        ...instance,
        status: 'DRAINING',
        drainingSince: now,
        version: instance.version + 1,
      });
    }
    return { type: 'goingDownAnswer', drained, others: others.length };
  });
}

/** The row of an instance whose machine is back from a shutdown for which it was drained. */
export function withoutDrain(row: ContainerInstance): ContainerInstance {
  if (row.status !== 'DRAINING') return row;
  const { drainingSince: _, ...rest } = row;
  return { ...rest, status: 'ACTIVE' };
}

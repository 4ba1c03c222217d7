/**
 * Instances whose agent is silent. After `lostAfterMs` control declares their tasks ended, so that services replace them elsewhere; an agent
 * that returns later is told to stop what it still runs. Everything is checked again inside the transaction: an agent may
 * return at the very moment.
 */
import { arnId } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Clock } from '#lib/clock.ts';
import type { Store } from '#control/store/store.ts';
import { declareStopped } from './stop.ts';

export interface InstanceLookDeps {
  store: Store;
  clock: Clock;
  /** 0 means never. */
  lostAfterMs: number;
  /** When this control began to listen: silence before that proves nothing. */
  listeningSince: number;
}

export interface InstanceLook {
  /** Epoch milliseconds. */
  lookAgainAt?: number;
  instance?: ContainerInstance;
}

export async function reconcileInstance(deps: InstanceLookDeps, containerInstanceArn: string): Promise<InstanceLook> {
  const instance = await deps.store.read((tx) => tx.containerInstances.get(containerInstanceArn));
  if (instance === undefined) return {};
  const lostAt = lostAtOf(instance, deps);
  if (lostAt === undefined) return { instance };
  if (lostAt > deps.clock.now()) return { instance, lookAgainAt: lostAt };
  await deps.store.write(async (tx) => {
    const current = await tx.containerInstances.get(containerInstanceArn);
    if (current === undefined) return;
    const stillLostAt = lostAtOf(current, deps);
    if (stillLostAt === undefined || stillLostAt > deps.clock.now()) return;
    const live = await tx.tasks.all({ containerInstanceArn, live: true });
    if (live.length === 0) return;
    await declareStopped(tx, deps, live, {
      stopCode: 'InfrastructureHealth',
      reason: `The agent of container instance ${arnId(containerInstanceArn)} has been silent for ${deps.lostAfterMs / 1000} s.`,
    });
  });
  return { instance };
}

/** When the instance counts as lost; undefined while it is connected, gone, or when nothing is ever lost. */
export function lostAtOf(
  instance: ContainerInstance,
  { lostAfterMs, listeningSince }: Pick<InstanceLookDeps, 'lostAfterMs' | 'listeningSince'>,
): number | undefined {
  if (lostAfterMs === 0 || instance.agentConnected || instance.status === 'INACTIVE') return undefined;
  return Math.max(instance.agentConnectedChangedAt, listeningSince) + lostAfterMs;
}

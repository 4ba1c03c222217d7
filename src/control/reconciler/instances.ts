/**
 * Instances whose agent is silent. Services replace their tasks by policies of their own (deployments/absences.ts); here their patience ends: a
 * lost task whose instance does not come back within a day is declared STOPPED, and an agent that returns after that is told to stop it. Everything is
 * checked again inside the transaction: an agent may return at the very moment.
 */
import { arnId } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Task } from '#model/task.ts';
import type { Clock } from '#lib/clock.ts';
import type { Store, StoreTransaction } from '#control/store/store.ts';
import { isLost } from '../deployments/task-health.ts';
import { declareStopped } from './stop.ts';

export interface InstanceLookDeps {
  store: Store;
  clock: Clock;
  /** When this control began to listen: silence before that proves nothing. */
  listeningSince: number;
}

export interface InstanceLook {
  /** Epoch milliseconds. */
  lookAgainAt?: number;
  instance?: ContainerInstance;
}

/** How long a lost task is waited for. */
export const givenUpAfterMs = 24 * 60 * 60 * 1000;

export async function reconcileInstance(deps: InstanceLookDeps, containerInstanceArn: string): Promise<InstanceLook> {
  const { instance, lost } = await deps.store.read((tx) => readLost(tx, containerInstanceArn));
  if (instance === undefined) return {};
  if (lost.length === 0) return { instance };
  const giveUpAt = firstGivenUpAt(instance, lost, deps);
  if (giveUpAt > deps.clock.now()) return { instance, lookAgainAt: giveUpAt };
  const next = await deps.store.write((tx) => giveUp(tx, deps, containerInstanceArn));
  return { instance, ...(next === undefined ? {} : { lookAgainAt: next }) };
}

/** Declares STOPPED what was waited for long enough; answers when the next one will have been. */
async function giveUp(
  tx: StoreTransaction,
  deps: InstanceLookDeps,
  containerInstanceArn: string,
): Promise<number | undefined> {
  const { instance, lost } = await readLost(tx, containerInstanceArn);
  if (instance === undefined) return undefined;
  const now = deps.clock.now();
  const over = lost.filter((task) => givenUpAt(instance, task, deps) <= now);
  const rest = lost.filter((task) => !over.includes(task));
  await declareStopped(tx, deps, over, {
    stopCode: 'InfrastructureHealth',
    reason: `The task was lost with container instance ${arnId(containerInstanceArn)}, whose agent did not come back within 24 hours.`,
  });
  return rest.length === 0 ? undefined : firstGivenUpAt(instance, rest, deps);
}

/** The lost tasks of a silent instance. */
async function readLost(
  tx: StoreTransaction,
  containerInstanceArn: string,
): Promise<{ instance: ContainerInstance | undefined; lost: Task[] }> {
  const instance = await tx.containerInstances.get(containerInstanceArn);
  if (instance === undefined || instance.agentConnected || instance.status === 'INACTIVE') return { instance, lost: [] };
  return { instance, lost: (await tx.tasks.all({ containerInstanceArn, live: true })).filter(isLost) };
}

function firstGivenUpAt(
  instance: ContainerInstance,
  lost: readonly Task[],
  deps: Pick<InstanceLookDeps, 'listeningSince'>,
): number {
  return Math.min(...lost.map((task) => givenUpAt(instance, task, deps)));
}

function givenUpAt(
  { agentConnectedChangedAt }: ContainerInstance,
  { lostAt = 0 }: Task,
  { listeningSince }: Pick<InstanceLookDeps, 'listeningSince'>,
): number {
  return Math.max(lostAt, agentConnectedChangedAt, listeningSince) + givenUpAfterMs;
}

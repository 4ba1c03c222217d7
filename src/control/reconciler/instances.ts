/**
 * What control does about an instance itself, beside its services. Updates of agents that are not done in time have failed. Silent ones: services replace their tasks by policies of their own
 * (deployments/absences.ts); here their patience ends: a lost task whose instance does not come back within a day is declared STOPPED, and an agent that
 * returns after that is told to stop it. DRAINING ones: standalone tasks and the deadline (deployments/drain.ts). What is due is decided again inside
 * the transaction: an agent may return, and a user may undrain, at the very moment.
 */
import { afterDeadline, isUpdateUnderWay, updateDeadline } from '#model/agent-update.ts';
import { arnId } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Task } from '#model/task.ts';
import type { Clock } from '#lib/clock.ts';
import type { Store, StoreTransaction } from '#control/store/store.ts';
import { decideDrain, type DrainDecision } from '../deployments/drain.ts';
import { isLost } from '../deployments/task-health.ts';
import { declareStopped, requestStops } from './stop.ts';

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
  const instance = await deps.store.read((tx) => tx.containerInstances.get(containerInstanceArn));
  if (instance === undefined) return {};
  const times = [
    await lookAtSilence(deps, instance),
    await lookAtDrain(deps, instance),
    await lookAtUpdate(deps, instance),
  ];
  const known = times.filter((time) => time !== undefined);
  return { instance, ...(known.length === 0 ? {} : { lookAgainAt: Math.min(...known) }) };
}

async function lookAtSilence(
  deps: InstanceLookDeps,
  { agentConnected, containerInstanceArn }: ContainerInstance,
): Promise<number | undefined> {
  if (agentConnected) return undefined;
  const { instance, lost } = await deps.store.read((tx) => readLost(tx, containerInstanceArn));
  if (instance === undefined || lost.length === 0) return undefined;
  const giveUpAt = firstGivenUpAt(instance, lost, deps);
  if (giveUpAt > deps.clock.now()) return giveUpAt;
  return deps.store.write((tx) => giveUp(tx, deps, containerInstanceArn));
}

async function lookAtDrain(
  deps: InstanceLookDeps,
  { status, containerInstanceArn }: ContainerInstance,
): Promise<number | undefined> {
  if (status !== 'DRAINING') return undefined;
  const due = await deps.store.read((tx) => drainOf(tx, deps, containerInstanceArn));
  if (due.stops.length === 0) return due.wakeAt;
  return deps.store.write(async (tx) => {
    const { stops, wakeAt } = await drainOf(tx, deps, containerInstanceArn);
    for (const { tasks, ...request } of stops) await requestStops(tx, deps, tasks, request);
    return wakeAt;
  });
}

/** An update that is not done in time has failed. */
async function lookAtUpdate(
  { store, clock }: InstanceLookDeps,
  { agentUpdate, containerInstanceArn }: ContainerInstance,
): Promise<number | undefined> {
  if (agentUpdate === undefined || !isUpdateUnderWay(agentUpdate)) return undefined;
  if (clock.now() < updateDeadline(agentUpdate)) return updateDeadline(agentUpdate);
  await store.write(async (tx) => {
    const instance = await tx.containerInstances.get(containerInstanceArn);
    if (instance?.agentUpdate === undefined) return;
    const next = afterDeadline(instance.agentUpdate, clock.now());
    if (next === instance.agentUpdate) return;
    await tx.containerInstances.put({ ...instance, agentUpdate: next, version: instance.version + 1 });
  });
  return undefined;
}

async function drainOf(tx: StoreTransaction, { clock }: InstanceLookDeps, arn: string): Promise<DrainDecision> {
  const instance = await tx.containerInstances.get(arn);
  if (instance?.status !== 'DRAINING') return { stops: [] };
  const tasks = await tx.tasks.all({ containerInstanceArn: arn, live: true });
  return decideDrain(instance, tasks, clock.now());
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
  if (instance === undefined || instance.agentConnected || instance.status === 'INACTIVE')
    return { instance, lost: [] };
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

/** The reconciler on a real store in memory and a manual clock; the test plays the agents. A file of tests calls `useReconciler` once. */
import { afterEach, beforeEach } from 'vitest';
import { newDeployment } from '#control/deployments/new-deployment.ts';
import { createReconciler, type Reconciler, type ReconcilerConfig } from '#control/reconciler/reconciler.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store, StoreTransaction } from '#control/store/store.ts';
import { seededIds } from '#lib/ids.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import { defaultRealm } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { aService, type ServiceOverrides } from '#test/support/builders/a-service.ts';
import { aTaskDefinition } from '#test/support/builders/a-task-definition.ts';
import { ManualClock, settle } from '#test/support/manual-clock.ts';

export const hour = 60 * 60_000;
export const day = 24 * hour;
const defaults: ReconcilerConfig = { lostAfterMs: 300_000, stoppedTaskRetentionMs: 3 * day };

export let clock: ManualClock;
/** How far the reconciler's clock has been set away from the one of the test. */
export const wall = { offsetMs: 0 };
export let store: Store;
let reconciler: Reconciler;
export const random = seededRandom(5);
const ids = seededIds(random);

function create(config: Partial<ReconcilerConfig> = {}): Reconciler {
  return createReconciler({
    store,
    clock: {
      now: () => clock.now() + wall.offsetMs,
      elapsed: () => clock.elapsed(),
      after: (ms, run) => clock.after(ms, run),
      sleep: (ms, signal) => clock.sleep(ms, signal),
    },
    ids,
    random,
    realm: defaultRealm,
    logger: silentLogger,
    config: { ...defaults, ...config },
  });
}

export function put(work: (tx: StoreTransaction) => Promise<void>): Promise<void> {
  return store.write(work);
}

export async function putInstance(instance: ContainerInstance): Promise<ContainerInstance> {
  await put((tx) => tx.containerInstances.put(instance));
  return instance;
}

export async function putService(overrides: ServiceOverrides): Promise<Service> {
  const service = aService(overrides);
  const started = { ...service, deployments: [newDeployment(service, { now: clock.now(), random })] };
  await put((tx) => tx.services.put(started));
  return started;
}

export async function service(name = 'web'): Promise<Service> {
  const found = await store.read((tx) => tx.services.get('default', name));
  if (found === undefined) throw new Error(`no service ${name}`);
  return found;
}

export function tasks(filter: { live?: boolean } = { live: true }): Promise<Task[]> {
  return store.read((tx) => tx.tasks.all({ clusterName: 'default', ...filter }));
}

export async function quiet(): Promise<void> {
  await settle();
  await reconciler.idle();
}

/** Agents carry out what is asked until nothing is under way. */
export async function agentsAnswer(): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    await quiet();
    const open = (await tasks()).filter((task) => task.desiredStatus === 'STOPPED' || task.lastStatus === 'PENDING');
    if (open.length === 0) return;
    await put((tx) =>
      tx.tasks.putMany(
        open.map((task): Task =>
          task.desiredStatus === 'STOPPED'
            ? { ...task, lastStatus: 'STOPPED', stoppedAt: clock.now() }
            : { ...task, lastStatus: 'RUNNING', startedAt: clock.now() },
        ),
      ),
    );
  }
  throw new Error('the cluster does not come to rest');
}

export function stopReconciler(): Promise<void> {
  return reconciler.stop();
}

/** A new one, as after a restart of control. */
export async function startReconciler(config: Partial<ReconcilerConfig> = {}): Promise<void> {
  reconciler = create(config);
  await reconciler.start();
}

export function useReconciler(): void {
  beforeEach(async () => {
    clock = new ManualClock();
    wall.offsetMs = 0;
    store = await createSqliteStore({ path: ':memory:' });
    await put(async (tx) => {
      await tx.clusters.put(aCluster());
      await tx.taskDefinitions.put(aTaskDefinition());
      await tx.taskDefinitions.put(aTaskDefinition({ revision: 2 }));
    });
    await startReconciler();
  });

  afterEach(async () => {
    await reconciler.stop();
    await store.close();
    if (clock.pendingTimers() > 0) throw new Error('the reconciler left timers behind');
  });
}

/** Stops that wait, on a real store: for a protection to end and for images to arrive. Nobody but the clock and the rows wakes the reconciler. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newDeployment, withNewDeployment } from '#control/deployments/new-deployment.ts';
import { createReconciler, type Reconciler } from '#control/reconciler/reconciler.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';
import { seededIds } from '#lib/ids.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import { defaultRealm } from '#model/arn.ts';
import { capability } from '#model/capabilities.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import { prepullLimitMs, type Prepull } from '#model/prepull.ts';
import type { Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTaskDefinition } from '#test/support/builders/a-task-definition.ts';
import { ManualClock, settle } from '#test/support/manual-clock.ts';

const random = seededRandom(5);
const definitions = [aTaskDefinition(), aTaskDefinition({ revision: 2 })];
let clock: ManualClock;
let store: Store;
let reconciler: Reconciler;
let machine: ContainerInstance;

beforeEach(async () => {
  clock = new ManualClock();
  store = await createSqliteStore({ path: ':memory:' });
  const config = { lostAfterMs: 0, stoppedTaskRetentionMs: 1e9 };
  const deps = { store, clock, ids: seededIds(random), random, realm: defaultRealm };
  reconciler = createReconciler({ ...deps, logger: silentLogger, config });
  machine = aContainerInstance({ agentAttributes: [{ name: capability.prepull }] });
  const deploymentConfiguration = { minimumHealthyPercent: 0, maximumPercent: 100 };
  const web = aService({
    desiredCount: 1,
    taskDefinitionArn: definitions[0]?.taskDefinitionArn ?? '',
    deploymentConfiguration,
  });
  await store.write(async (tx) => {
    await tx.clusters.put(aCluster());
    for (const definition of definitions) await tx.taskDefinitions.put(definition);
    await tx.containerInstances.put(machine);
    await tx.services.put({ ...web, deployments: [newDeployment(web, { now: clock.now(), random })] });
  });
  await reconciler.start();
  await quiet();
  for (const task of await tasks()) await change(task, { lastStatus: 'RUNNING', startedAt: clock.now() });
});

afterEach(async () => {
  await reconciler.stop();
  await store.close();
  if (clock.pendingTimers() > 0) throw new Error('the reconciler left timers behind');
});

async function quiet(): Promise<void> {
  await settle();
  await reconciler.idle();
}

async function service(): Promise<Service> {
  const found = await store.read((tx) => tx.services.get('default', 'web'));
  return found ?? expect.fail('there is no service');
}

function tasks(): Promise<Task[]> {
  return store.read((tx) => tx.tasks.all({ clusterName: 'default', live: true }));
}

async function change(task: Task, changes: Partial<Task>): Promise<void> {
  await store.write((tx) => tx.tasks.put({ ...task, ...changes }));
  await quiet();
}

async function deploy(): Promise<void> {
  const taskDefinitionArn = definitions[1]?.taskDefinitionArn ?? '';
  const renewed = withNewDeployment({ ...(await service()), taskDefinitionArn }, { now: clock.now(), random });
  await store.write((tx) => tx.services.put(renewed));
  await quiet();
}

async function prepulls(): Promise<readonly Prepull[]> {
  const row = await store.read((tx) => tx.containerInstances.get(machine.containerInstanceArn));
  return row?.prepulls ?? [];
}

async function pass(ms: number): Promise<void> {
  await clock.advance(ms);
  await quiet();
}

/** Of the tasks of the first deployment; the new one's may be there as soon as these are asked to stop. */
async function wishes(): Promise<string[]> {
  const old = (await tasks()).filter(({ revision }) => revision === 1);
  return old.map(({ desiredStatus }) => desiredStatus);
}

test('a protection that runs out sets a deployment going at that moment', async () => {
  const [task] = await tasks();
  if (task !== undefined) await change(task, { protectedUntil: clock.now() + 45_000 });
  await deploy();
  expect(await wishes()).toEqual(['RUNNING']);
  expect(await prepulls()).toEqual([]);
  await pass(44_999);
  expect(await wishes()).toEqual(['RUNNING']);
  expect(await prepulls()).toEqual([]);
  await pass(1);
  expect(await prepulls()).toHaveLength(1);
});

test('an instance is asked for the images once, and its answer lets the old task stop', async () => {
  await deploy();
  const [{ id } = { id: '' }] = (await service()).deployments;
  const [asked, ...more] = await prepulls();
  expect(more).toEqual([]);
  expect(asked).toMatchObject({ deploymentId: id, images: [{ image: expect.any(String) }], askedAt: clock.now() });
  expect(await wishes()).toEqual(['RUNNING']);
  const answered = (await prepulls()).map((prepull): Prepull => ({ ...prepull, outcome: { kind: 'pulled' } }));
  await store.write((tx) => tx.containerInstances.put({ ...machine, assignmentNumber: 9, prepulls: answered }));
  await quiet();
  expect(await wishes()).toEqual(['STOPPED']);
});

test('an instance that does not answer is asked again after the limit, and the old task goes on', async () => {
  await deploy();
  const [first] = await prepulls();
  await pass(prepullLimitMs - 1);
  expect(await prepulls()).toEqual([first]);
  await pass(1);
  expect(await prepulls()).toMatchObject([{ deploymentId: first?.deploymentId, askedAt: clock.now() }]);
  expect(await wishes()).toEqual(['RUNNING']);
});

test('a pull that fails is counted once and asked for again, and its success lets the old task stop', async () => {
  const tell = async (outcome: NonNullable<Prepull['outcome']>): Promise<void> => {
    const row = await store.read((tx) => tx.containerInstances.get(machine.containerInstanceArn));
    const told = (await prepulls()).map((prepull): Prepull => ({ ...prepull, outcome }));
    await store.write((tx) => tx.containerInstances.put({ ...(row ?? machine), prepulls: told }));
    await quiet();
  };
  await deploy();
  await tell({ kind: 'failed', reason: 'CannotPullContainerError: the registry limits pulls: toomanyrequests' });
  expect(await prepulls()).toMatchObject([{ failures: 1, retryAt: clock.now() + 10_000 }]);
  expect((await service()).deployments[0]?.progress).toMatchObject({ failedPulls: 1 });
  expect(await wishes()).toEqual(['RUNNING']);
  await pass(10_000);
  const [again] = await prepulls();
  expect(again).toMatchObject({ failures: 1, askedAt: clock.now() });
  expect(again?.outcome).toBeUndefined();
  await tell({ kind: 'pulled' });
  expect((await service()).deployments[0]?.progress).toMatchObject({ failedPulls: 1 });
  expect(await wishes()).toEqual(['STOPPED']);
});

/** The reconciler on a real store in memory and a manual clock; the test plays the agents. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newDeployment, withNewDeployment } from '#control/deployments/new-deployment.ts';
import { reconcileInstance } from '#control/reconciler/instances.ts';
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
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aService, type ServiceOverrides } from '#test/support/builders/a-service.ts';
import { aTaskDefinition } from '#test/support/builders/a-task-definition.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { ManualClock, settle } from '#test/support/manual-clock.ts';

const hour = 60 * 60_000;
const day = 24 * hour;
const defaults: ReconcilerConfig = { lostAfterMs: 300_000, stoppedTaskRetentionMs: 3 * day };

let clock: ManualClock;
let store: Store;
let reconciler: Reconciler;
const random = seededRandom(5);
const ids = seededIds(random);

function create(config: Partial<ReconcilerConfig> = {}): Reconciler {
  return createReconciler({
    store,
    clock,
    ids,
    random,
    realm: defaultRealm,
    logger: silentLogger,
    config: { ...defaults, ...config },
  });
}

function put(work: (tx: StoreTransaction) => Promise<void>): Promise<void> {
  return store.write(work);
}

async function putInstance(instance: ContainerInstance): Promise<ContainerInstance> {
  await put((tx) => tx.containerInstances.put(instance));
  return instance;
}

async function putService(overrides: ServiceOverrides): Promise<Service> {
  const service = aService(overrides);
  const started = { ...service, deployments: [newDeployment(service, { now: clock.now(), random })] };
  await put((tx) => tx.services.put(started));
  return started;
}

async function service(name = 'web'): Promise<Service> {
  const found = await store.read((tx) => tx.services.get('default', name));
  if (found === undefined) throw new Error(`no service ${name}`);
  return found;
}

function tasks(filter: { live?: boolean } = { live: true }): Promise<Task[]> {
  return store.read((tx) => tx.tasks.all({ clusterName: 'default', ...filter }));
}

async function quiet(): Promise<void> {
  await settle();
  await reconciler.idle();
}

/** Agents carry out what is asked until nothing is under way. */
async function agentsAnswer(): Promise<void> {
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

beforeEach(async () => {
  clock = new ManualClock();
  store = await createSqliteStore({ path: ':memory:' });
  reconciler = create();
  await put(async (tx) => {
    await tx.clusters.put(aCluster());
    await tx.taskDefinitions.put(aTaskDefinition());
    await tx.taskDefinitions.put(aTaskDefinition({ revision: 2 }));
  });
  await reconciler.start();
});

afterEach(async () => {
  await reconciler.stop();
  await store.close();
  if (clock.pendingTimers() > 0) throw new Error('the reconciler left timers behind');
});

describe('a service', () => {
  it('gets its tasks as soon as it is saved, and reaches a steady state', async () => {
    await putInstance(aContainerInstance());
    await putService({ desiredCount: 3 });
    await quiet();
    const started = await tasks();
    expect(started.map(({ lastStatus }) => lastStatus)).toEqual(['PENDING', 'PENDING', 'PENDING']);
    expect(started[0]).toMatchObject({
      group: 'service:web',
      serviceName: 'web',
      startedBy: (await service()).deployments[0]?.id,
    });
    await agentsAnswer();
    const { deployments, events } = await service();
    expect(deployments).toMatchObject([{ rolloutState: 'COMPLETED', status: 'PRIMARY' }]);
    expect(events[0]?.message).toBe('(service web) has reached a steady state.');
  });

  it('gets what dies replaced without time passing', async () => {
    await putInstance(aContainerInstance());
    await putService({ desiredCount: 1 });
    await agentsAnswer();
    const [task] = await tasks();
    if (task === undefined) throw new Error('no task');
    await put((tx) =>
      tx.tasks.put({
        ...task,
        lastStatus: 'STOPPED',
        desiredStatus: 'STOPPED',
        stopCode: 'EssentialContainerExited',
        stoppedAt: clock.now(),
      }),
    );
    await quiet();
    expect(await tasks()).toMatchObject([{ lastStatus: 'PENDING' }]);
  });

  it('rolls to a new definition and leaves one deployment', async () => {
    await putInstance(aContainerInstance());
    const { taskDefinitionArn } = await putService({ desiredCount: 2 });
    await agentsAnswer();
    const next = taskDefinitionArn.replace(/1$/, '2');
    const updated = withNewDeployment({ ...(await service()), taskDefinitionArn: next }, { now: clock.now(), random });
    await put((tx) => tx.services.put(updated));
    await agentsAnswer();
    expect(await tasks()).toHaveLength(4);
    await clock.advance(40_000);
    await agentsAnswer();
    expect((await tasks()).map((task) => task.taskDefinitionArn)).toEqual([next, next]);
    expect((await service()).deployments).toMatchObject([{ rolloutState: 'COMPLETED', taskDefinitionArn: next }]);
  });

  it('is placed when an instance comes', async () => {
    await putService({ desiredCount: 1 });
    await quiet();
    expect(await tasks()).toEqual([]);
    expect((await service()).events[0]?.message).toContain('No Container Instances were found in your cluster.');
    await putInstance(aContainerInstance());
    await quiet();
    expect(await tasks()).toHaveLength(1);
  });

  it('is placed when another task makes room', async () => {
    const instance = await putInstance(aContainerInstance({ resources: { memoryMiB: 100 } }));
    const other = aTask({ containerInstanceArn: instance.containerInstanceArn });
    await put((tx) => tx.tasks.put(other));
    await putService({ desiredCount: 1 });
    await quiet();
    expect((await service()).events[0]?.message).toContain('has insufficient memory available');
    await put((tx) =>
      tx.tasks.put({ ...other, lastStatus: 'STOPPED', desiredStatus: 'STOPPED', stoppedAt: clock.now() }),
    );
    await quiet();
    await clock.advance(250);
    expect(await tasks()).toMatchObject([{ serviceName: 'web' }]);
  });

  it('writes nothing once it is at rest (I12), also when it cannot be placed', async () => {
    await putInstance(aContainerInstance());
    await putService({ desiredCount: 1 });
    await putService({
      serviceName: 'huge',
      desiredCount: 1,
      placementConstraints: [{ type: 'memberOf', expression: 'attribute:x exists' }],
    });
    await agentsAnswer();
    await clock.advance(60_000);
    let writes = 0;
    const unsubscribe = store.subscribe(() => (writes += 1));
    await clock.advance(600_000);
    unsubscribe();
    expect(writes).toBe(0);
  });

  it('moves its tasks off a DRAINING instance', async () => {
    const first = await putInstance(aContainerInstance());
    await putService({ desiredCount: 1 });
    await agentsAnswer();
    await putInstance(aContainerInstance());
    await put(async (tx) => {
      const current = await tx.containerInstances.get(first.containerInstanceArn);
      if (current !== undefined) await tx.containerInstances.put({ ...current, status: 'DRAINING' });
    });
    await agentsAnswer();
    await clock.advance(40_000);
    await agentsAnswer();
    const left = await tasks();
    expect(left).toHaveLength(1);
    expect(left[0]?.containerInstanceArn).not.toBe(first.containerInstanceArn);
  });

  it('is looked at again after a restart of control', async () => {
    await reconciler.stop();
    await putInstance(aContainerInstance());
    await putService({ desiredCount: 2 });
    reconciler = create();
    await reconciler.start();
    await quiet();
    expect(await tasks()).toHaveLength(2);
  });
});

async function silence({ containerInstanceArn }: ContainerInstance): Promise<void> {
  await setConnected(containerInstanceArn, false);
}

async function setConnected(containerInstanceArn: string, agentConnected: boolean): Promise<void> {
  await put(async (tx) => {
    const current = await tx.containerInstances.get(containerInstanceArn);
    if (current === undefined) return;
    await tx.containerInstances.put({ ...current, agentConnected, agentConnectedChangedAt: clock.now() });
  });
}

describe('an instance that is silent', () => {
  it('loses its tasks of services after the time allowed: they are replaced elsewhere and keep their last status', async () => {
    const silent = await putInstance(aContainerInstance());
    await putService({ desiredCount: 1 });
    await agentsAnswer();
    const [before] = await tasks();
    await putInstance(aContainerInstance());
    await silence(silent);
    await clock.advance(299_000);
    expect(await tasks()).toMatchObject([{ taskArn: before?.taskArn }]);
    await clock.advance(1000);
    await quiet();
    const [lost] = (await tasks()).filter(({ taskArn }) => taskArn === before?.taskArn);
    expect(lost).toMatchObject({ lastStatus: 'RUNNING', desiredStatus: 'RUNNING', lostAt: clock.now() });
    expect((await tasks()).filter(({ lostAt }) => lostAt === undefined)).toMatchObject([{ lastStatus: 'PENDING' }]);
    const occupying = await store.read((tx) => tx.tasks.occupying('default'));
    expect(occupying.map(({ containerInstanceArn }) => containerInstanceArn)).toContain(silent.containerInstanceArn);
  });

  it('gets a pair settled when it is back, and tells its agent so', async () => {
    const silent = await putInstance(aContainerInstance());
    await putService({ desiredCount: 1 });
    await agentsAnswer();
    await putInstance(aContainerInstance());
    await silence(silent);
    await clock.advance(300_000);
    await agentsAnswer();
    await clock.advance(40_000);
    await setConnected(silent.containerInstanceArn, true);
    await quiet();
    const [stopping] = (await tasks()).filter(({ desiredStatus }) => desiredStatus === 'STOPPED');
    expect(stopping).toMatchObject({
      containerInstanceArn: silent.containerInstanceArn,
      stopCode: 'ServiceSchedulerInitiated',
      stoppedReason: expect.stringContaining('its replacement stays (berth:on-return is newest)'),
    });
    await agentsAnswer();
    expect(await tasks()).toHaveLength(1);
  });

  it('moves the line of assignments when a lost task is taken up again', async () => {
    const silent = await putInstance(aContainerInstance());
    await putService({ desiredCount: 1 });
    await agentsAnswer();
    await silence(silent);
    await clock.advance(300_000);
    await quiet();
    expect(await tasks()).toMatchObject([{ lostAt: expect.any(Number) }]);
    const [before] = await tasks();
    await setConnected(silent.containerInstanceArn, true);
    await quiet();
    const [task] = await tasks();
    expect(task).not.toHaveProperty('lostAt');
    expect(task?.assignmentNumber).toBeGreaterThan(before?.assignmentNumber ?? 0);
  });

  it('has its lost tasks declared STOPPED when it does not come back within 24 hours', async () => {
    await reconciler.stop();
    const { containerInstanceArn } = await putInstance(
      aContainerInstance({ agentConnected: false, agentConnectedChangedAt: clock.now() }),
    );
    const lost = aTask({ containerInstanceArn, serviceName: 'web', lostAt: clock.now() });
    const later = aTask({ containerInstanceArn, serviceName: 'web', lostAt: clock.now() + 60_000 });
    const standalone = aTask({ containerInstanceArn });
    await put((tx) => tx.tasks.putMany([lost, later, standalone]));
    const look = () => reconcileInstance({ store, clock, listeningSince: 0 }, containerInstanceArn);
    const deadline = clock.now() + day;
    expect(await look()).toMatchObject({ lookAgainAt: deadline });
    await clock.advance(day);
    expect(await look()).toMatchObject({ lookAgainAt: deadline + 60_000 });
    const gone = await store.read((tx) => tx.tasks.get(lost.taskArn));
    expect(gone).toMatchObject({ lastStatus: 'STOPPED', stopCode: 'InfrastructureHealth' });
    expect(gone?.stoppedReason).toContain('did not come back within 24 hours');
    expect((await tasks()).map(({ taskArn }) => taskArn).toSorted()).toEqual(
      [later.taskArn, standalone.taskArn].toSorted(),
    );
  });

  it('keeps its standalone tasks as they were last known, however long it is silent', async () => {
    const silent = await putInstance(aContainerInstance());
    await put((tx) => tx.tasks.put(aTask({ containerInstanceArn: silent.containerInstanceArn })));
    await silence(silent);
    await clock.advance(6 * hour);
    await quiet();
    const [task] = await tasks();
    expect(task).toMatchObject({ lastStatus: 'RUNNING', desiredStatus: 'RUNNING' });
    expect(task).not.toHaveProperty('lostAt');
  });

  it('is given the whole time again when control starts', async () => {
    const silent = await putInstance(aContainerInstance());
    await putService({ desiredCount: 1 });
    await agentsAnswer();
    await reconciler.stop();
    await silence(silent);
    await clock.advance(day);
    reconciler = create();
    await reconciler.start();
    await clock.advance(299_000);
    await quiet();
    expect((await tasks())[0]).not.toHaveProperty('lostAt');
    await clock.advance(1000);
    await quiet();
    expect(await tasks()).toMatchObject([{ lostAt: clock.now() }]);
  });

  it('loses nothing when the time is 0', async () => {
    await reconciler.stop();
    const silent = await putInstance(aContainerInstance());
    reconciler = create({ lostAfterMs: 0 });
    await reconciler.start();
    await putService({ desiredCount: 1 });
    await agentsAnswer();
    await silence(silent);
    await clock.advance(6 * hour);
    expect((await tasks())[0]).not.toHaveProperty('lostAt');
  });
});

describe('an instance that is drained', () => {
  async function drained(tags: ContainerInstance['tags']): Promise<ContainerInstance> {
    const instance = await putInstance(aContainerInstance({ tags }));
    await putService({ desiredCount: 1, deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 100 } });
    await agentsAnswer();
    const { containerInstanceArn } = instance;
    await put((tx) => tx.tasks.put(aTask({ containerInstanceArn })));
    await put(async (tx) => {
      const current = await tx.containerInstances.get(containerInstanceArn);
      if (current === undefined) throw new Error('no instance');
      await tx.containerInstances.put({ ...current, status: 'DRAINING', drainingSince: clock.now() });
    });
    await quiet();
    return instance;
  }

  const wanted = async (): Promise<Task[]> =>
    (await tasks()).filter(({ desiredStatus }) => desiredStatus === 'RUNNING');

  it('leaves standalone tasks alone, as ECS does', async () => {
    await drained([]);
    await clock.advance(6 * hour);
    expect(await wanted()).toHaveLength(2);
  });

  it('stops standalone tasks at once where its tag says so', async () => {
    await drained([{ key: 'berth:drain-standalone', value: 'stop' }]);
    expect(await wanted()).toMatchObject([{ serviceName: 'web' }]);
    const stopping = (await tasks()).find(({ desiredStatus }) => desiredStatus === 'STOPPED');
    expect(stopping).toMatchObject({
      stopCode: 'TerminationNotice',
      stoppedReason: expect.stringContaining('berth:drain-standalone is stop'),
    });
  });

  it('stops what is left at its deadline, protected tasks too', async () => {
    await drained([{ key: 'berth:drain-deadline', value: '1h' }]);
    const [task] = (await wanted()).filter(({ serviceName }) => serviceName === 'web');
    if (task === undefined) throw new Error('no task');
    await put((tx) => tx.tasks.put({ ...task, protectedUntil: clock.now() + day }));
    await clock.advance(3_599_999);
    await quiet();
    expect(await wanted()).toHaveLength(2);
    await clock.advance(1);
    await quiet();
    expect(await wanted()).toEqual([]);
    expect((await tasks()).map(({ stopCode }) => stopCode)).toEqual(['TerminationNotice', 'TerminationNotice']);
    expect((await tasks())[0]?.stoppedReason).toContain('berth:drain-deadline');
  });

  it('stops nothing more when it is ACTIVE again before its deadline', async () => {
    const { containerInstanceArn } = await drained([{ key: 'berth:drain-deadline', value: '1h' }]);
    await clock.advance(1_800_000);
    await put(async (tx) => {
      const current = await tx.containerInstances.get(containerInstanceArn);
      if (current === undefined) throw new Error('no instance');
      const { drainingSince: _, ...active } = current;
      await tx.containerInstances.put({ ...active, status: 'ACTIVE' });
    });
    await clock.advance(2 * hour);
    expect(await wanted()).toHaveLength(2);
  });
});

describe('a service that is spread unevenly', () => {
  const inZone = (zone: string): ContainerInstance =>
    aContainerInstance({
      agentAttributes: [{ name: 'ecs.availability-zone', value: zone }],
      agentConnectedChangedAt: clock.now(),
    });

  const spread = async (): Promise<number[]> => {
    const live = await tasks();
    const groups = Map.groupBy(live, ({ containerInstanceArn }) => containerInstanceArn);
    return [...groups.values()].map((group) => group.length).toSorted((a, b) => a - b);
  };

  /** Long enough for three moves of 40 s each. */
  async function timePasses(): Promise<void> {
    for (let round = 0; round < 30; round += 1) {
      await agentsAnswer();
      await clock.advance(10_000);
    }
    await agentsAnswer();
  }

  it.each([
    ['zones', { availabilityZoneRebalancing: 'ENABLED' as const }, 'b'],
    ['instances', { tags: [{ key: 'berth:rebalance', value: 'ENABLED' }] }, 'a'],
  ])('is spread anew over %s when an instance joins, and rests then', async (_, settings, zone) => {
    await putInstance(inZone('a'));
    await putService({ desiredCount: 4, ...settings });
    await agentsAnswer();
    await putInstance(inZone(zone));
    await clock.advance(59_000);
    await quiet();
    expect(await spread(), 'its agent may be gone again').toEqual([4]);
    await timePasses();
    expect(await spread()).toEqual([2, 2]);
    let writes = 0;
    const unsubscribe = store.subscribe(() => (writes += 1));
    await clock.advance(600_000);
    unsubscribe();
    expect(writes).toBe(0);
  });

  it('stays as it is where nobody asked', async () => {
    await putInstance(inZone('a'));
    await putService({ desiredCount: 4 });
    await agentsAnswer();
    await putInstance(inZone('b'));
    await timePasses();
    expect(await spread()).toEqual([4]);
  });
});

describe('what is over', () => {
  it('is forgotten after its time', async () => {
    await put(async (tx) => {
      await tx.tasks.put(aTask({ lastStatus: 'STOPPED', stoppedAt: clock.now() }));
      await tx.taskDefinitions.put(aTaskDefinition({ family: 'old', status: 'DELETE_IN_PROGRESS' }));
      await tx.services.put(
        aService({ serviceName: 'gone', status: 'INACTIVE', deployments: [], deletedAt: clock.now() }),
      );
    });
    await clock.advance(3 * day - 120_000);
    expect(await tasks({})).toHaveLength(1);
    expect(await store.read((tx) => tx.taskDefinitions.get('old', 1))).toBeUndefined();
    await clock.advance(240_000);
    expect(await tasks({})).toEqual([]);
    expect(await store.read((tx) => tx.services.get('default', 'gone'))).toBeUndefined();
  });
});

/** Instances that are silent, drained, or join, on a real store; docs/dead-hosts.md. */
import { describe, expect, it } from 'vitest';
import { reconcileInstance } from '#control/reconciler/instances.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Task } from '#model/task.ts';
import { aCapacityProvider } from '#test/support/builders/a-capacity-provider.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import {
  agentsAnswer,
  clock,
  day,
  hour,
  put,
  putInstance,
  putService,
  quiet,
  startReconciler,
  stopReconciler,
  store,
  tasks,
  useReconciler,
  wall,
} from './reconciler-world.ts';

useReconciler();

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

  it('loses them as soon when the clock is set back by hours meanwhile, counted anew from then', async () => {
    const silent = await putInstance(aContainerInstance());
    await putService({ desiredCount: 1 });
    await agentsAnswer();
    await putInstance(aContainerInstance());
    await silence(silent);
    await clock.advance(200_000);
    wall.offsetMs = -3 * hour;
    await clock.advance(299_000);
    expect(await tasks()).toHaveLength(1);
    // Nothing tells of a clock that was set: a full pass finds out.
    await clock.advance(hour);
    await quiet();
    const lost = (await tasks()).filter(({ lostAt }) => lostAt !== undefined);
    expect(lost).toMatchObject([{ containerInstanceArn: silent.containerInstanceArn }]);
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
    await stopReconciler();
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
    await stopReconciler();
    await silence(silent);
    await clock.advance(day);
    await startReconciler();
    await clock.advance(299_000);
    await quiet();
    expect((await tasks())[0]).not.toHaveProperty('lostAt');
    await clock.advance(1000);
    await quiet();
    expect(await tasks()).toMatchObject([{ lostAt: clock.now() }]);
  });

  it('loses nothing when the time is 0', async () => {
    await stopReconciler();
    const silent = await putInstance(aContainerInstance());
    await startReconciler({ lostAfterMs: 0 });
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

  it('stays as it is with a capacity provider strategy, whose tasks go to the instances of their provider', async () => {
    const customAttributes = [{ name: 'berth.instance-group', value: 'blue' }];
    await store.write((tx) => tx.capacityProviders.put(aCapacityProvider({ name: 'blue' })));
    await putInstance(inZone('b'));
    await putInstance({ ...inZone('a'), customAttributes });
    const capacityProviderStrategy = [{ capacityProvider: 'blue', weight: 1, base: 0 }];
    await putService({ desiredCount: 4, availabilityZoneRebalancing: 'ENABLED', capacityProviderStrategy });
    await agentsAnswer();
    await putInstance({ ...inZone('b'), customAttributes });
    await timePasses();
    expect(await spread()).toEqual([4]);
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

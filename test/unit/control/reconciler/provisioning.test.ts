/** Tasks that wait for room: the whole of API, store and reconciler on a manual clock; the test plays the machines. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createReconciler, type Reconciler } from '#control/reconciler/reconciler.ts';
import { seededIds } from '#lib/ids.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import { defaultRealm } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import { noLongerWaiting } from '#model/placement-wait.ts';
import type { Task } from '#model/task.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { settle } from '#test/support/manual-clock.ts';
import { apiWorld, type ApiWorld, type Json } from '../api/api-world.ts';

const minute = 60_000;
const tag = (value: string) => ({ tags: [{ key: 'berth:wait-for-capacity', value }] });

let world: ApiWorld;
let reconciler: Reconciler;

function create(): Reconciler {
  const random = seededRandom(3);
  const { store, clock } = world;
  return createReconciler({
    store,
    clock,
    ids: seededIds(random),
    random,
    realm: defaultRealm,
    logger: silentLogger,
    config: { lostAfterMs: 300_000, stoppedTaskRetentionMs: 3_600_000 },
  });
}

async function quiet(): Promise<void> {
  await settle();
  await reconciler.idle();
}

/** Room for so many tasks of 100 CPU units and 64 MiB. */
function machine(tasks: number, group?: string): Promise<ContainerInstance> {
  const agentAttributes = group === undefined ? [] : [{ name: 'berth.instance-group', value: group }];
  return world.instance({ resources: { cpu: tasks * 100, memoryMiB: tasks * 64 }, agentAttributes });
}

async function run(body: object = {}): Promise<string[]> {
  const { tasks } = await world.call('RunTask', { taskDefinition: 'web', ...body });
  return [...JSON.parse(JSON.stringify(tasks))].map((task: Json) => String(task['taskArn']));
}

async function task(arn: string | undefined): Promise<Task> {
  const found = await world.store.read((tx) => tx.tasks.get(arn ?? ''));
  if (found === undefined) throw new Error(`no task ${arn}`);
  return found;
}

async function statuses(arns: readonly string[]): Promise<string[]> {
  return Promise.all(arns.map(async (arn) => (await task(arn)).lastStatus));
}

function end(arn: string | undefined): Promise<void> {
  return world.report(arn, { lastStatus: 'STOPPED', desiredStatus: 'STOPPED', stoppedAt: world.clock.now() });
}

beforeEach(async () => {
  world = await apiWorld();
  await world.definition();
  await world.definition('big', { containerDefinitions: [{ name: 'main', image: 'x', cpu: 300, memory: 192 }] });
  reconciler = create();
  await reconciler.start();
});

afterEach(async () => {
  await reconciler.stop();
  await world.store.close();
  if (world.clock.pendingTimers() > 0) throw new Error('the reconciler left timers behind');
});

describe('a task that does not fit', () => {
  it('is refused at once unless it asks to wait', async () => {
    await machine(1);
    await run();
    const { tasks, failures } = await world.call('RunTask', { taskDefinition: 'web' });
    expect(tasks).toEqual([]);
    expect(failures).toMatchObject([{ reason: 'RESOURCE:CPU' }]);
  });

  it('waits as PROVISIONING with the tag, and says for what and until when', async () => {
    await machine(1);
    await run();
    const { tasks, failures } = await world.call('RunTask', { taskDefinition: 'web', ...tag('10m') });
    expect(failures).toEqual([]);
    expect(tasks).toMatchObject([{ lastStatus: 'PROVISIONING', desiredStatus: 'RUNNING' }]);
    expect(tasks?.[0]?.['containerInstanceArn']).toBeUndefined();
    expect(tasks?.[0]?.['containers']?.[0]?.['reason']).toMatch(
      /^Waiting for a container instance until 2026-01-01 00:10:00 UTC, because .+ has insufficient CPU units available\.$/,
    );
    const { clusters } = await world.call('DescribeClusters');
    expect(clusters?.[0]).toMatchObject({ pendingTasksCount: 2, runningTasksCount: 0 });
    expect((await world.call('ListTasks'))['taskArns']).toHaveLength(2);
  });

  it('waits in a cluster that has no instance yet', async () => {
    const [arn] = await run(tag('10m'));
    expect((await task(arn)).containers[0]?.reason).toContain('No Container Instances were found in your cluster.');
    const joined = await machine(1);
    await quiet();
    expect(await task(arn)).toMatchObject({
      lastStatus: 'PENDING',
      containerInstanceArn: joined.containerInstanceArn,
      assignmentNumber: 1,
      connectivity: 'CONNECTED',
    });
  });

  it('fits in part: what has room is PENDING, the rest waits', async () => {
    await machine(2);
    expect(await statuses(await run({ count: 3, ...tag('1h') }))).toEqual(['PENDING', 'PENDING', 'PROVISIONING']);
  });

  it.each(['', '10x', 'soon', '0s', '8d', '-1m'])('is refused with the tag %j, which is no duration', async (value) => {
    await machine(1);
    const refusal = await world.refusal('RunTask', { taskDefinition: 'web', ...tag(value) });
    expect(refusal).toMatchObject({
      type: 'InvalidParameterException',
      message: expect.stringContaining('berth:wait-for-capacity must be a duration'),
    });
  });
});

describe('a capacity provider whose managed scaling is ENABLED', () => {
  async function provide(status: string): Promise<void> {
    await world.call('CreateCapacityProvider', {
      name: 'blue',
      autoScalingGroupProvider: { autoScalingGroupArn: 'rack', managedScaling: { status } },
    });
    await world.call('PutClusterCapacityProviders', {
      cluster: 'default',
      capacityProviders: ['blue'],
      defaultCapacityProviderStrategy: [{ capacityProvider: 'blue', weight: 1 }],
    });
  }

  it('lets its tasks wait for 15 minutes, and takes only instances of its group', async () => {
    await provide('ENABLED');
    const [arn] = await run();
    expect(await task(arn)).toMatchObject({
      lastStatus: 'PROVISIONING',
      capacityProviderName: 'blue',
      waiting: { until: world.clock.now() + 15 * minute },
    });
    expect((await task(arn)).containers[0]?.reason).toContain(
      'No Container Instances were found in your capacity provider.',
    );
    await machine(1, 'other');
    await quiet();
    expect((await task(arn)).lastStatus).toBe('PROVISIONING');
    const joined = await machine(1, 'rack');
    await quiet();
    expect(await task(arn)).toMatchObject({
      lastStatus: 'PENDING',
      containerInstanceArn: joined.containerInstanceArn,
    });
  });

  it('gives way to the tag where there is one', async () => {
    await provide('ENABLED');
    const [arn] = await run(tag('1m'));
    expect((await task(arn)).waiting?.until).toBe(world.clock.now() + minute);
  });

  it('refuses when it is DISABLED', async () => {
    await provide('DISABLED');
    const { tasks, failures } = await world.call('RunTask', { taskDefinition: 'web' });
    expect(tasks).toEqual([]);
    expect(failures).toMatchObject([{ reason: 'EMPTY_CAPACITY' }]);
  });
});

describe('waiting tasks are placed', () => {
  it('when a task ends, oldest first', async () => {
    await machine(1);
    const [running] = await run();
    const [first] = await run(tag('1h'));
    await world.clock.advance(1000);
    const [second] = await run(tag('1h'));
    await quiet();
    await end(running);
    await quiet();
    await world.clock.advance(250);
    await quiet();
    expect(await statuses([String(first), String(second)])).toEqual(['PENDING', 'PROVISIONING']);
    await end(first);
    await quiet();
    await world.clock.advance(250);
    await quiet();
    expect((await task(second)).lastStatus).toBe('PENDING');
  });

  it('a big one that does not fit holds up no small one behind it', async () => {
    const [big] = await run({ taskDefinition: 'big', ...tag('1h') });
    await world.clock.advance(1000);
    const small = await run({ count: 2, ...tag('1h') });
    await machine(2);
    await quiet();
    expect(await statuses([String(big), ...small])).toEqual(['PROVISIONING', 'PENDING', 'PENDING']);
    expect((await task(big)).containers[0]?.reason).toContain('has insufficient CPU units available');
  });

  it('by the constraints and the strategy they came with', async () => {
    const wanted = { placementConstraints: [{ type: 'memberOf', expression: 'attribute:disk == ssd' }] };
    const [arn] = await run({ ...wanted, ...tag('1h') });
    await machine(1);
    await quiet();
    expect((await task(arn)).lastStatus).toBe('PROVISIONING');
    const fast = await world.instance({ agentAttributes: [{ name: 'disk', value: 'ssd' }] });
    await quiet();
    expect((await task(arn)).containerInstanceArn).toBe(fast.containerInstanceArn);
  });

  it('and then say no more that they wait', async () => {
    const [arn] = await run(tag('1h'));
    await machine(1);
    await quiet();
    const placed = await task(arn);
    expect(placed).not.toHaveProperty('waiting');
    expect(placed.containers[0]).not.toHaveProperty('reason');
    await world.clock.advance(61 * minute);
    expect((await task(arn)).lastStatus).toBe('PENDING');
  });

  it('never beyond what an instance has (I7), many shapes and many instances together', async () => {
    const waiting: string[] = [];
    for (let n = 0; n < 30; n += 1) {
      const overrides = { containerOverrides: [{ name: 'main', cpu: 20 + n }] };
      waiting.push(...(await run({ overrides, count: 2, ...tag('1h') })));
    }
    const machines = [await machine(5), await machine(7), await machine(9)];
    await quiet();
    const placed = (await Promise.all(waiting.map(task))).filter(({ lastStatus }) => lastStatus === 'PENDING');
    for (const { containerInstanceArn, resources } of machines) {
      const own = placed.filter((each) => each.containerInstanceArn === containerInstanceArn);
      expect(own.reduce((sum, each) => sum + each.resources.memoryMiB, 0)).toBeLessThanOrEqual(resources.memoryMiB);
      expect(own.reduce((sum, each) => sum + each.resources.cpu, 0)).toBeLessThanOrEqual(resources.cpu);
    }
    expect(placed).toHaveLength(21);
  });
});

describe('a task that waited too long', () => {
  it('stops as TaskFailedToStart, and names the closest match and what was missing', async () => {
    await machine(1);
    await run();
    const [arn] = await run({ taskDefinition: 'big', ...tag('10m') });
    await quiet();
    await world.clock.advance(10 * minute - 1);
    expect((await task(arn)).lastStatus).toBe('PROVISIONING');
    await world.clock.advance(1);
    await quiet();
    const stopped = await task(arn);
    expect(stopped).toMatchObject({
      lastStatus: 'STOPPED',
      desiredStatus: 'STOPPED',
      stopCode: 'TaskFailedToStart',
      stoppedAt: world.clock.now(),
      containers: [{ lastStatus: 'STOPPED' }],
    });
    expect(stopped.stoppedReason).toMatch(
      /^Timed out after waiting 600 s for a container instance, because .+The closest matching \(container-instance .+\) has insufficient CPU units available\.$/,
    );
    expect(stopped).not.toHaveProperty('waiting');
  });

  it('gets a place all the same when there is one at that very moment', async () => {
    const [arn] = await run(tag('10m'));
    await quiet();
    await reconciler.stop();
    await world.clock.advance(20 * minute);
    await machine(1);
    reconciler = create();
    await reconciler.start();
    await quiet();
    expect((await task(arn)).lastStatus).toBe('PENDING');
  });
});

describe('StopTask on a waiting task', () => {
  it('ends it at once', async () => {
    const [arn] = await run(tag('10m'));
    const stopped = await world.call('StopTask', { task: arn, reason: 'enough' });
    expect(stopped['task']).toMatchObject({
      lastStatus: 'STOPPED',
      stopCode: 'UserInitiated',
      stoppedReason: 'enough',
    });
    expect(stopped['task']?.['containers']?.[0]?.['reason']).toBeUndefined();
    await machine(1);
    await quiet();
    expect((await task(arn)).lastStatus).toBe('STOPPED');
  });
});

describe('waiting', () => {
  it('survives a restart of control, deadline and all', async () => {
    const [arn] = await run(tag('10m'));
    await reconciler.stop();
    await world.clock.advance(9 * minute);
    reconciler = create();
    await reconciler.start();
    await quiet();
    expect((await task(arn)).lastStatus).toBe('PROVISIONING');
    await world.clock.advance(minute);
    await quiet();
    expect((await task(arn)).lastStatus).toBe('STOPPED');
  });

  it('writes nothing while nothing happens (I12)', async () => {
    await machine(1);
    await run();
    await run({ count: 5, ...tag('2h') });
    await run({ taskDefinition: 'big', count: 5, ...tag('2h') });
    await quiet();
    await world.clock.advance(1000);
    let writes = 0;
    const unsubscribe = world.store.subscribe(() => (writes += 1));
    await world.clock.advance(60 * minute);
    unsubscribe();
    expect(writes).toBe(0);
  });

  it('is bounded: the 501st task of a cluster is refused, and its request starts nothing', async () => {
    await machine(1);
    const wait = { until: world.clock.now() + minute, placementConstraints: [], placementStrategy: [] };
    const queue = Array.from({ length: 499 }, () =>
      aTask({ lastStatus: 'PROVISIONING', family: 'big', waiting: wait }),
    );
    await world.store.write((tx) => tx.tasks.putMany(queue));
    const before = await world.call('ListTasks', { family: 'web' });
    expect(await world.refusal('RunTask', { taskDefinition: 'web', count: 3, ...tag('10m') })).toMatchObject({
      type: 'ClientException',
      message: expect.stringContaining('Tasks provisioning capacity limit exceeded'),
    });
    expect(await world.call('ListTasks', { family: 'web' })).toEqual(before);
    expect(await run({ count: 2, ...tag('10m') })).toHaveLength(2);
  });

  it('is told once and the same: a task that does not wait stays as it is', () => {
    const plain = aTask();
    expect(noLongerWaiting(plain)).toBe(plain);
  });
});

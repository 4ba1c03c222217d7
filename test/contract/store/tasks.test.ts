/** Tasks: every filter, paging, what placement reads, counts and the reaper's list. */
import { describe, expect, it } from 'vitest';
import { defaultRealm, taskArn, taskDefinitionArn } from '#model/arn.ts';
import type { Task } from '#model/task.ts';
import type { Store, TaskFilter } from '#control/store/store.ts';
import { aDeployment } from '#test/support/builders/a-deployment.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { storeKinds, useStores } from './store-kinds.ts';

function arns(tasks: readonly Pick<Task, 'taskArn'>[]): string[] {
  return tasks.map((task) => task.taskArn);
}

function numbered(digit: string): string {
  return taskArn(defaultRealm, 'default', digit.repeat(32));
}

async function storing(store: Store, tasks: readonly Task[]): Promise<void> {
  await store.write((tx) => tx.tasks.putMany(tasks));
}

describe.each(storeKinds)('tasks in $name', (kind) => {
  const stores = useStores(kind);

  it('come back as they were put, every field', async () => {
    const store = await stores.empty();
    const task = aTask({
      containerInstanceArn: 'arn:instance',
      serviceName: 'web',
      deploymentId: 'ecs-svc/1',
      resources: { ports: [{ port: 80, protocol: 'tcp' }], gpuCount: 1 },
      gpuIds: ['GPU-1'],
      overrides: {
        containerOverrides: [{ name: 'main', environment: [{ name: 'NAME', value: 'naïve \u0000 \u{1F600}' }] }],
      },
      tags: [{ key: 'team' }],
      stoppedReason: 'it\'s "over" \\ %',
      assignmentNumber: 7,
    });
    await storing(store, [task]);
    expect(await store.read((tx) => tx.tasks.get(task.taskArn))).toEqual(task);
    expect(await store.read((tx) => tx.tasks.get('arn:nothing'))).toBeUndefined();
  });

  it('replace what was put before under the same ARN', async () => {
    const store = await stores.empty();
    const task = aTask({ lastStatus: 'RUNNING', startedBy: 'me' });
    const { startedBy: _, ...withoutStarter } = task;
    await storing(store, [task]);
    await storing(store, [
      { ...withoutStarter, lastStatus: 'STOPPING' },
      { ...withoutStarter, lastStatus: 'STOPPED' },
    ]);
    expect(await store.read((tx) => tx.tasks.all({}))).toEqual([{ ...withoutStarter, lastStatus: 'STOPPED' }]);
    expect(await store.read((tx) => tx.tasks.all({ startedBy: 'me' }))).toEqual([]);
  });

  it('are found in the order in which they were asked for, missing ones left out', async () => {
    const store = await stores.empty();
    const many = Array.from({ length: 600 }, () => aTask());
    await storing(store, many);
    const wanted = [...arns(many).reverse(), 'arn:nothing'];
    expect(arns(await store.read((tx) => tx.tasks.getMany(wanted)))).toEqual(arns(many).reverse());
    expect(await store.read((tx) => tx.tasks.getMany([]))).toEqual([]);
  });

  it('are deleted by ARN', async () => {
    const store = await stores.empty();
    const [kept, ...gone] = Array.from({ length: 600 }, () => aTask()) as [Task, ...Task[]];
    await storing(store, [kept, ...gone]);
    await store.write((tx) => tx.tasks.delete(arns(gone)));
    await store.write((tx) => tx.tasks.delete([]));
    expect(arns(await store.read((tx) => tx.tasks.all({})))).toEqual([kept.taskArn]);
  });

  const odd = aTask({
    clusterName: 'other',
    containerInstanceArn: 'arn:instance/2',
    family: 'worker',
    serviceName: 'worker',
    startedBy: 'cron',
    launchType: 'EXTERNAL',
    lastStatus: 'STOPPING',
    desiredStatus: 'STOPPED',
  });
  const plain = aTask({ containerInstanceArn: 'arn:instance/1', serviceName: 'web', deploymentId: 'ecs-svc/1' });
  const ended = aTask({ ...plain, taskArn: numbered('e'), lastStatus: 'STOPPED' });
  const filters: [TaskFilter, Task[]][] = [
    [{}, [plain, ended, odd]],
    [{ clusterName: 'other' }, [odd]],
    [{ clusterName: 'default' }, [plain, ended]],
    [{ containerInstanceArn: 'arn:instance/2' }, [odd]],
    [{ family: 'worker' }, [odd]],
    [{ serviceName: 'web' }, [plain, ended]],
    [{ startedBy: 'cron' }, [odd]],
    [{ launchType: 'EXTERNAL' }, [odd]],
    [{ desiredStatus: 'STOPPED' }, [odd]],
    [{ live: true }, [plain, odd]],
    [{ live: false }, [plain, ended, odd]],
    [{ clusterName: 'default', serviceName: 'web', startedBy: 'ecs-svc/1', live: true }, [plain]],
    [{ clusterName: 'default', family: 'worker' }, []],
  ];

  it.each(filters)('are filtered by %o', async (filter, expected) => {
    const store = await stores.empty();
    await storing(store, [odd, plain, ended]);
    expect(await store.read((tx) => tx.tasks.all(filter))).toEqual(expected);
    expect(await store.read((tx) => tx.tasks.list(filter, { limit: 100 }))).toEqual({ items: expected });
  });

  it('that are lost are told apart: by the filter, in counts, and where placement counts', async () => {
    const store = await stores.empty();
    const lost = aTask({ containerInstanceArn: 'arn:instance/1', serviceName: 'web', lostAt: 7 });
    await storing(store, [plain, lost]);
    expect(await store.read((tx) => tx.tasks.all({ present: true }))).toEqual([plain]);
    expect(await store.read((tx) => tx.tasks.counts({ serviceName: 'web' }))).toEqual({ running: 2, pending: 0 });
    expect(await store.read((tx) => tx.tasks.counts({ serviceName: 'web', present: true }))).toEqual({
      running: 1,
      pending: 0,
    });
    const occupying = await store.read((tx) => tx.tasks.occupying('default'));
    expect(occupying.map((task) => [task.taskArn, task.lostAt !== undefined])).toEqual(
      [
        [plain.taskArn, false],
        [lost.taskArn, true],
      ].toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
    );
    const { lostAt: _, ...back } = lost;
    await storing(store, [back]);
    expect(await store.read((tx) => tx.tasks.all({ present: true }))).toHaveLength(2);
  });

  it('are listed by pages in the order of their ARNs, none twice and none left out', async () => {
    const store = await stores.empty();
    const made = ['b', 'a', 'd', 'c'].map((digit) => aTask({ taskArn: numbered(digit) }));
    await storing(store, [...made, aTask({ clusterName: 'other' })]);
    const filter = { clusterName: 'default' };
    const first = await store.read((tx) => tx.tasks.list(filter, { limit: 3 }));
    expect(arns(first.items)).toEqual([numbered('a'), numbered('b'), numbered('c')]);
    expect(first.next).toBe(numbered('c'));
    const last = await store.read((tx) => tx.tasks.list(filter, { limit: 3, after: numbered('c') }));
    expect(arns(last.items)).toEqual([numbered('d')]);
    expect(last).not.toHaveProperty('next');
    const exact = await store.read((tx) => tx.tasks.list(filter, { limit: 4 }));
    expect(exact).not.toHaveProperty('next');
    const beyond = await store.read((tx) => tx.tasks.list(filter, { limit: 4, after: numbered('f') }));
    expect(beyond).toEqual({ items: [] });
  });

  it('occupy their instance until they are stopped, and say so without their documents', async () => {
    const store = await stores.empty();
    const busy = aTask({
      taskArn: numbered('1'),
      containerInstanceArn: 'arn:instance',
      serviceName: 'web',
      deploymentId: 'ecs-svc/1',
      resources: { cpu: 512, ports: [{ port: 53, protocol: 'udp' }], gpuCount: 1 },
      gpuIds: ['GPU-1'],
    });
    const stopping = aTask({ taskArn: numbered('2'), containerInstanceArn: 'arn:instance', lastStatus: 'STOPPING' });
    const unplaced = aTask({ lastStatus: 'PROVISIONING' });
    const stopped = aTask({ containerInstanceArn: 'arn:instance', lastStatus: 'STOPPED' });
    const elsewhere = aTask({ containerInstanceArn: 'arn:instance', clusterName: 'other' });
    await storing(store, [stopping, busy, unplaced, stopped, elsewhere]);
    expect(await store.read((tx) => tx.tasks.occupying('default'))).toMatchObject([
      {
        taskArn: busy.taskArn,
        containerInstanceArn: 'arn:instance',
        group: 'service:web',
        serviceName: 'web',
        family: 'web',
        startedBy: 'ecs-svc/1',
        desiredStatus: 'RUNNING',
        lastStatus: 'RUNNING',
        resources: busy.resources,
        gpuIds: ['GPU-1'],
      },
      {
        taskArn: stopping.taskArn,
        containerInstanceArn: 'arn:instance',
        group: 'family:web',
        family: 'web',
        desiredStatus: 'RUNNING',
        lastStatus: 'STOPPING',
        resources: stopping.resources,
        gpuIds: [],
      },
    ]);
  });

  it('are assigned to their instance while they live, and longer when control changed them later', async () => {
    const store = await stores.empty();
    const at = { containerInstanceArn: 'arn:instance' };
    const old = aTask({ ...at, taskArn: numbered('1'), lastStatus: 'STOPPED', assignmentNumber: 4 });
    const late = aTask({ ...at, taskArn: numbered('2'), lastStatus: 'STOPPED', assignmentNumber: 5 });
    const live = aTask({ ...at, taskArn: numbered('3'), assignmentNumber: 1 });
    await storing(store, [old, late, live, aTask({ containerInstanceArn: 'arn:other', assignmentNumber: 9 })]);
    const assigned = (after?: number): Promise<Task[]> =>
      store.read((tx) => tx.tasks.assignedTo('arn:instance', after));
    expect(arns(await assigned())).toEqual([numbered('3')]);
    expect(arns(await assigned(4))).toEqual([numbered('2'), numbered('3')]);
    expect(arns(await assigned(0))).toEqual([numbered('1'), numbered('2'), numbered('3')]);
  });

  it('are counted as running or pending by their last status', async () => {
    const store = await stores.empty();
    const statuses = ['PROVISIONING', 'PENDING', 'ACTIVATING', 'RUNNING', 'RUNNING', 'STOPPING', 'STOPPED'] as const;
    await storing(store, [
      ...statuses.map((lastStatus) => aTask({ lastStatus })),
      aTask({ clusterName: 'other', serviceName: 'web' }),
    ]);
    const counts = (filter: TaskFilter): Promise<object> => store.read((tx) => tx.tasks.counts(filter));
    expect(await counts({ clusterName: 'default' })).toEqual({ running: 2, pending: 3 });
    expect(await counts({ serviceName: 'web' })).toEqual({ running: 1, pending: 0 });
    expect(await counts({ clusterName: 'empty' })).toEqual({ running: 0, pending: 0 });
  });

  it('are found by their capacity provider, and while they wait for a place', async () => {
    const store = await stores.empty();
    const onBlue = aTask({ taskArn: numbered('1'), containerInstanceArn: 'arn:i', capacityProviderName: 'blue' });
    const wait = { until: 5, placementConstraints: [], placementStrategy: [{ type: 'random' as const }] };
    const waiting = aTask({ taskArn: numbered('2'), lastStatus: 'PROVISIONING', waiting: wait });
    const elsewhere = aTask({ clusterName: 'other', lastStatus: 'PROVISIONING' });
    await storing(store, [onBlue, waiting, elsewhere]);
    const all = (filter: TaskFilter): Promise<Task[]> => store.read((tx) => tx.tasks.all(filter));
    expect(await all({ capacityProviderName: 'blue', live: true })).toEqual([onBlue]);
    expect(await all({ clusterName: 'default', waiting: true })).toEqual([waiting]);
    expect(await all({ waiting: true })).toEqual([waiting, elsewhere]);
    expect(await store.read((tx) => tx.tasks.counts({ clusterName: 'default', waiting: true }))).toEqual({
      running: 0,
      pending: 1,
    });
    const { waiting: _, ...placed } = waiting;
    await storing(store, [{ ...placed, lastStatus: 'PENDING', containerInstanceArn: 'arn:i' }]);
    expect(await all({ clusterName: 'default', waiting: true })).toEqual([]);
  });

  it('are offered to the reaper oldest first, once they stopped before the time', async () => {
    const store = await stores.empty();
    const stoppedAt = [3000, 1000, 2000, 4000];
    await storing(store, [
      ...stoppedAt.map((time) =>
        aTask({ taskArn: numbered(String(time / 1000)), lastStatus: 'STOPPED', stoppedAt: time }),
      ),
      aTask({ lastStatus: 'STOPPING' }),
    ]);
    const reapable = (time: number, limit: number): Promise<string[]> =>
      store.read((tx) => tx.tasks.stoppedBefore(time, limit));
    expect(await reapable(4000, 10)).toEqual(['1', '2', '3'].map(numbered));
    expect(await reapable(4000, 2)).toEqual(['1', '2'].map(numbered));
    expect(await reapable(1000, 10)).toEqual([]);
  });

  it('keep their definition in use until they are stopped', async () => {
    const store = await stores.empty();
    await storing(store, [aTask({ revision: 1 }), aTask({ revision: 2, lastStatus: 'STOPPED' })]);
    const inUse = (revision: number): Promise<boolean> =>
      store.read((tx) => tx.tasks.definitionInUse(taskDefinitionArn(defaultRealm, 'web', revision)));
    expect(await inUse(1)).toBe(true);
    expect(await inUse(2)).toBe(false);
    expect(await inUse(11)).toBe(false);
  });

  it('share the use of definitions with services and their deployments', async () => {
    const store = await stores.empty();
    const arn = (family: string): string => taskDefinitionArn(defaultRealm, family, 1);
    const rollingOut = aService({
      taskDefinitionArn: arn('my_web'),
      deployments: [
        aDeployment({ taskDefinitionArn: arn('my_web') }),
        aDeployment({ taskDefinitionArn: arn('before'), status: 'ACTIVE' }),
        aDeployment({ taskDefinitionArn: arn('long-ago'), status: 'INACTIVE' }),
      ],
    });
    const gone = aService({ serviceName: 'gone', status: 'INACTIVE', taskDefinitionArn: arn('gone') });
    await store.write(async (tx) => {
      await tx.services.put(rollingOut);
      await tx.services.put(gone);
    });
    const inUse = (family: string): Promise<boolean> => store.read((tx) => tx.tasks.definitionInUse(arn(family)));
    expect(await inUse('my_web')).toBe(true);
    expect(await inUse('before')).toBe(true);
    expect(await inUse('my-web')).toBe(false);
    expect(await inUse('MY_WEB')).toBe(false);
    expect(await inUse('long-ago')).toBe(false);
    expect(await inUse('gone')).toBe(false);
  });
});

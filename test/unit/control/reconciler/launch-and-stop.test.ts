/** Launching and stopping inside a transaction. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { launchTasks, type LaunchDeps, type LaunchOutcome, type LaunchRequest } from '#control/reconciler/launch.ts';
import { requestStop, requestStops } from '#control/reconciler/stop.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';
import { seededIds } from '#lib/ids.ts';
import { seededRandom } from '#lib/random.ts';
import { defaultRealm } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { aContainerDefinition } from '#test/support/builders/a-container-definition.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aTaskDefinition } from '#test/support/builders/a-task-definition.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const clock = new ManualClock();
const random = seededRandom(3);
const deps: LaunchDeps = { realm: defaultRealm, clock, ids: seededIds(random), random };
const stopRequest = { stopCode: 'UserInitiated', reason: 'enough' } as const;

let store: Store;
let instance: ContainerInstance;

function launch(overrides: Partial<LaunchRequest> = {}): Promise<LaunchOutcome> {
  const request: LaunchRequest = {
    cluster: aCluster(),
    definition: aTaskDefinition(),
    count: 1,
    group: 'family:web',
    launchType: 'EC2',
    overrides: {},
    placementConstraints: [],
    placementStrategy: [],
    tags: [],
    enableExecuteCommand: false,
    ...overrides,
  };
  return store.write((tx) => launchTasks(tx, deps, request));
}

async function assignmentNumber(): Promise<number | undefined> {
  return (await store.read((tx) => tx.containerInstances.get(instance.containerInstanceArn)))?.assignmentNumber;
}

beforeEach(async () => {
  store = await createSqliteStore({ path: ':memory:' });
  instance = aContainerInstance({ resources: { memoryMiB: 200 } });
  await store.write((tx) => tx.containerInstances.put(instance));
});

afterEach(() => store.close());

describe('a launch', () => {
  it('saves PENDING tasks with their place and moves the line of assignments once', async () => {
    const { tasks, failures, unplaced } = await launch({ count: 2 });
    expect([failures, unplaced]).toEqual([[], 0]);
    expect(tasks).toMatchObject([
      {
        lastStatus: 'PENDING',
        desiredStatus: 'RUNNING',
        containerInstanceArn: instance.containerInstanceArn,
        assignmentNumber: 1,
      },
      { assignmentNumber: 1 },
    ]);
    expect(await assignmentNumber()).toBe(1);
    expect(await store.read((tx) => tx.tasks.getMany(tasks.map(({ taskArn }) => taskArn)))).toHaveLength(2);
  });

  it('places what fits and answers the rest as failures', async () => {
    const { tasks, failures, unplaced, noInstances } = await launch({ count: 5 });
    expect([tasks.length, unplaced, noInstances]).toEqual([3, 2, false]);
    expect(failures).toMatchObject([{ arn: instance.containerInstanceArn, reason: 'RESOURCE:MEMORY' }]);
  });

  it('of a definition with a fixed port finds the port taken by its own first task', async () => {
    const definition = aTaskDefinition({
      body: { containerDefinitions: [aContainerDefinition({ portMappings: [{ containerPort: 80, hostPort: 8080 }] })] },
    });
    expect(await launch({ count: 2, definition })).toMatchObject({
      unplaced: 1,
      failures: [{ reason: 'RESOURCE:PORTS' }],
    });
  });

  it('says when there is no instance at all', async () => {
    expect(await launch({ cluster: aCluster({ clusterName: 'empty' }) })).toMatchObject({
      noInstances: true,
      tasks: [],
    });
  });

  it('on named instances answers MISSING for those it does not know', async () => {
    const containerInstanceArns = [instance.containerInstanceArn, 'arn:unknown'];
    const { tasks, failures } = await launch({ containerInstanceArns });
    expect(tasks).toHaveLength(1);
    expect(failures).toEqual([{ arn: 'arn:unknown', reason: 'MISSING' }]);
  });

  it('gives containers their overridden sizes', async () => {
    const overrides = { containerOverrides: [{ name: 'main', cpu: 7, memory: 9 }] };
    const { tasks } = await launch({ overrides });
    expect(tasks[0]).toMatchObject({ cpu: '7', memory: '9', containers: [{ name: 'main', cpu: '7', memory: '9' }] });
  });
});

describe('a stop', () => {
  it('turns the desired status and takes the next number; asking again changes nothing', async () => {
    const { tasks } = await launch();
    const [task] = tasks;
    if (task === undefined) throw new Error('no task');
    const stopping = await store.write((tx) => requestStop(tx, deps, task, stopRequest));
    expect(stopping).toMatchObject({
      desiredStatus: 'STOPPED',
      lastStatus: 'PENDING',
      stopCode: 'UserInitiated',
      stoppedReason: 'enough',
      stoppingAt: clock.now(),
      assignmentNumber: 2,
      version: task.version + 1,
    });
    const again = await store.write((tx) =>
      requestStop(tx, deps, stopping, { stopCode: 'UserInitiated', reason: 'again' }),
    );
    expect(again).toEqual(stopping);
    expect(await assignmentNumber()).toBe(2);
  });

  it('of several tasks moves the line once', async () => {
    const { tasks } = await launch({ count: 3 });
    await store.write((tx) => requestStops(tx, deps, tasks, stopRequest));
    expect(await assignmentNumber()).toBe(2);
  });

  it('of a task that no agent can answer for ends it at once', async () => {
    const task = aTask();
    expect(await store.write((tx) => requestStop(tx, deps, task, stopRequest))).toMatchObject({
      lastStatus: 'STOPPED',
      stoppedAt: clock.now(),
      containers: [{ lastStatus: 'STOPPED' }],
    });
  });
});

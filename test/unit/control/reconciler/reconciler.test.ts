/** Services on a real store, and what is over. */
import { describe, expect, it } from 'vitest';
import { withNewDeployment } from '#control/deployments/new-deployment.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { aTaskDefinition } from '#test/support/builders/a-task-definition.ts';
import {
  agentsAnswer,
  clock,
  day,
  put,
  putInstance,
  putService,
  quiet,
  random,
  service,
  startReconciler,
  stopReconciler,
  store,
  tasks,
  useReconciler,
} from './reconciler-world.ts';

useReconciler();

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
    await stopReconciler();
    await putInstance(aContainerInstance());
    await putService({ desiredCount: 2 });
    await startReconciler();
    await quiet();
    expect(await tasks()).toHaveLength(2);
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

it('ten thousand desired tasks on one instance: what fits runs, and one event says what is missing', async () => {
  await putInstance(aContainerInstance());
  await putService({ desiredCount: 10_000 });
  await agentsAnswer();
  expect(await tasks()).toHaveLength(20);
  const { events, deployments } = await service();
  expect(events.filter(({ message }) => message.includes('was unable to place a task'))).toHaveLength(1);
  expect(events.map(({ message }) => message).join()).toContain('has insufficient CPU units available');
  expect(deployments).toMatchObject([{ rolloutState: 'IN_PROGRESS' }]);
});

/** Reports of agents. docs/session.md S7, S8. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { aService } from '#test/support/builders/a-service.ts';
import { aTaskContainer } from '#test/support/builders/a-task-container.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { aTaskState } from '#test/support/fake-agent.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';

let control: SessionsUnderTest;
beforeEach(async () => {
  control = await startSessions();
});
afterEach(() => control.dispose());

it('a batch is one transaction, acknowledged when it is durable', async () => {
  const agent = await control.connect();
  const one = await control.place();
  const other = await control.place();
  let commits = 0;
  control.store.subscribe(() => (commits += 1));
  const changes = [
    aTaskState({ taskArn: one.taskArn, number: 1 }),
    aTaskState({ taskArn: other.taskArn, number: 2 }),
    aTaskState({ taskArn: one.taskArn, number: 3, lastStatus: 'STOPPED' }),
  ];
  agent.send({ type: 'stateChanges', changes });
  await control.settle();
  expect(agent.last('stateAck')?.acks).toEqual(changes.map(({ taskArn, number }) => ({ taskArn, number })));
  expect(commits).toBe(1);
  expect((await control.task(one.taskArn)).lastStatus).toBe('STOPPED');
  expect((await control.task(other.taskArn)).lastStatus).toBe('RUNNING');
});

it('a replay is acknowledged and changes nothing', async () => {
  const agent = await control.connect();
  const { taskArn } = await control.place();
  const change = aTaskState({ taskArn, number: 1 });
  agent.send({ type: 'stateChanges', changes: [change] });
  await control.settle();
  const before = await control.task(taskArn);
  agent.send({ type: 'stateChanges', changes: [change] });
  await control.settle();
  expect(agent.all('stateAck')).toHaveLength(2);
  expect(await control.task(taskArn)).toEqual(before);
});

it('what is unknown or belongs to another instance is rejected, the rest of the batch is written', async () => {
  const agent = await control.connect();
  const mine = await control.place();
  const theirs = aTask({ containerInstanceArn: 'arn:other', lastStatus: 'PENDING' });
  await control.store.write((tx) => tx.tasks.put(theirs));
  const arns = ['arn:unknown', theirs.taskArn, mine.taskArn];
  agent.send({
    type: 'stateChanges',
    changes: arns.map((taskArn, index) => aTaskState({ taskArn, number: index + 1 })),
  });
  await control.settle();
  expect(agent.last('stateAck')?.acks.map(({ rejected }) => rejected)).toEqual([
    'the task is not known',
    'the task belongs to another container instance',
    undefined,
  ]);
  expect(await control.task(theirs.taskArn)).toEqual(theirs);
  expect((await control.task(mine.taskArn)).lastStatus).toBe('RUNNING');
});

it('the digests that a deployment’s first task tells are kept with it in the same transaction, and the next task is sent them', async () => {
  const agent = await control.connect();
  const service = aService();
  const deploymentId = service.deployments[0]?.id ?? '';
  await control.store.write((tx) => tx.services.put(service));
  const { taskArn } = await control.place({ serviceName: 'web', deploymentId });
  let commits = 0;
  control.store.subscribe(() => (commits += 1));
  agent.send({
    type: 'stateChanges',
    changes: [
      aTaskState({
        taskArn,
        number: 1,
        containers: [
          {
            name: 'main',
            lastStatus: 'RUNNING',
            healthStatus: 'UNKNOWN',
            networkBindings: [],
            imageDigest: 'sha256:1',
          },
        ],
      }),
    ],
  });
  await control.settle();
  const pinned = await control.store.read((tx) => tx.services.get(service.clusterName, service.serviceName));
  expect(pinned?.deployments[0]?.pinnedImages).toEqual({ main: 'sha256:1' });
  expect(commits).toBe(1);

  await control.place({ containers: [aTaskContainer({ pinnedDigest: 'sha256:1' })] });
  expect(agent.last('assignments')?.tasks[0]?.containers).toMatchObject([{ name: 'main', pinnedDigest: 'sha256:1' }]);
});

it('while the database is out of reach nothing is acknowledged and the session lives', async () => {
  const agent = await control.connect();
  const { taskArn } = await control.place();
  control.storeFailure = new Error('database is locked');
  agent.send({ type: 'stateChanges', changes: [aTaskState({ taskArn, number: 1 })] });
  await control.settle();
  expect(agent.last('stateAck')).toBeUndefined();
  control.storeFailure = undefined;
  agent.send({ type: 'stateChanges', changes: [aTaskState({ taskArn, number: 1 })] });
  await control.settle();
  expect(agent.last('stateAck')?.acks).toEqual([{ taskArn, number: 1 }]);
  expect(agent.closed).toBeUndefined();
});

it('health of the instance is written when it changes, not with every beat', async () => {
  const agent = await control.connect();
  const before = await control.instance();
  agent.send({ type: 'heartbeat', sentAt: 1, health: { status: 'OK' } });
  await control.settle();
  expect(await control.instance()).toEqual(before);
  await control.clock.advance(1000);
  agent.send({ type: 'heartbeat', sentAt: 2, health: { status: 'IMPAIRED', reason: 'the engine is silent' } });
  await control.settle();
  expect((await control.instance()).health).toEqual({
    status: 'IMPAIRED',
    reason: 'the engine is silent',
    updatedAt: control.clock.now(),
    changedAt: control.clock.now(),
  });
});

it('health that could not be written is written with the next beat, though that says nothing new', async () => {
  const agent = await control.connect({ health: { status: 'IMPAIRED', reason: 'the engine is silent' } });
  control.storeFailure = new Error('database or disk is full');
  agent.send({ type: 'heartbeat', sentAt: 1, health: { status: 'OK' } });
  await control.settle();
  expect((await control.instance()).health.status).toBe('IMPAIRED');
  control.storeFailure = undefined;
  agent.send({ type: 'heartbeat', sentAt: 2, health: { status: 'OK' } });
  await control.settle();
  expect((await control.instance()).health.status).toBe('OK');
});

it('an agent that reports without waiting for answers is cut off, and memory stays bounded', async () => {
  const agent = await control.connect();
  const { taskArn } = await control.place();
  const gate = Promise.withResolvers<void>();
  control.storeGate = gate.promise;
  for (let number = 1; number <= 100; number++) {
    agent.send({ type: 'stateChanges', changes: [aTaskState({ taskArn, number })] });
  }
  await control.clock.advance(0);
  expect(agent.closed?.code).toBe(closeCodes.slowReader);
  control.storeGate = undefined;
  gate.resolve();
  await control.settle();
  expect((await control.task(taskArn)).stateChangeNumber).toBeLessThanOrEqual(1);
});

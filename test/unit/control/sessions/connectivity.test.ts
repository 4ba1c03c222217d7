/** Who is connected, as the rows say it. docs/session.md S4, S10. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';

let control: SessionsUnderTest;
beforeEach(async () => {
  control = await startSessions();
});
afterEach(() => control.dispose());

it('a lost link disconnects the instance and its live tasks, dated; a reconnect connects them', async () => {
  const agent = await control.connect();
  const { taskArn } = await control.place();
  await control.clock.advance(5000);
  agent.pair.cut();
  await control.settle();
  expect(await control.instance()).toMatchObject({
    agentConnected: false,
    agentConnectedChangedAt: control.clock.now(),
  });
  expect(await control.task(taskArn)).toMatchObject({
    connectivity: 'DISCONNECTED',
    connectivityAt: control.clock.now(),
    lastStatus: 'PENDING',
    desiredStatus: 'RUNNING',
  });
  await control.connect();
  expect((await control.task(taskArn)).connectivity).toBe('CONNECTED');
});

it('an end that could not be written is written when the database is back', async () => {
  const agent = await control.connect();
  control.storeFailure = new Error('database is locked');
  agent.pair.cut();
  await control.settle();
  expect((await control.instance()).agentConnected).toBe(true);
  control.storeFailure = undefined;
  await control.clock.advance(10_000);
  await control.settle();
  expect((await control.instance()).agentConnected).toBe(false);
});

it('three silent intervals end a session that looked open', async () => {
  const agent = await control.connect();
  agent.send({ type: 'assignmentsAck', number: 0 });
  await control.settle();
  agent.pair.freeze();
  await control.clock.advance(30_000);
  expect(control.sessions.connected()).toBe(1);
  await control.clock.advance(10_000);
  await control.settle();
  expect(control.sessions.connected()).toBe(0);
  expect((await control.instance()).agentConnected).toBe(false);
});

it('control sends its own heartbeat each interval', async () => {
  const agent = await control.connect();
  agent.send({ type: 'assignmentsAck', number: 0 });
  for (let beat = 0; beat < 3; beat++) {
    agent.send({ type: 'heartbeat', sentAt: 0, health: { status: 'OK' } });
    await control.clock.advance(10_000);
  }
  expect(agent.all('heartbeat')).toHaveLength(3);
});

it('at the start of control every silence is dated from now', async () => {
  const longAgo = control.clock.now() - 86_400_000;
  const connected = aContainerInstance({ agentConnectedChangedAt: longAgo });
  const silent = aContainerInstance({ agentConnected: false, agentConnectedChangedAt: longAgo });
  const task = aTask({ containerInstanceArn: connected.containerInstanceArn, connectivity: 'CONNECTED' });
  await control.store.write(async (tx) => {
    await tx.containerInstances.put(connected);
    await tx.containerInstances.put(silent);
    await tx.tasks.put(task);
  });
  await control.sessions.start();
  for (const instance of await control.instances()) {
    expect(instance).toMatchObject({ agentConnected: false, agentConnectedChangedAt: control.clock.now() });
  }
  expect((await control.task(task.taskArn)).connectivity).toBe('DISCONNECTED');
});

it('a stop says goodbye to everyone, writes it, and leaves no timer', async () => {
  const agent = await control.connect();
  await control.sessions.stop();
  await control.clock.advance(0);
  expect(agent.closed?.code).toBe(closeCodes.goingAway);
  expect((await control.instance()).agentConnected).toBe(false);
  expect(control.clock.pendingTimers()).toBe(0);
});

/** Machines that go down in order, and come back. docs/session.md */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';

let control: SessionsUnderTest;
beforeEach(async () => {
  control = await startSessions();
});
afterEach(() => control.dispose());

async function goesDown() {
  const agent = await control.connect();
  agent.send({ type: 'goingDown' });
  await control.settle();
  return agent;
}

async function drainByHand(): Promise<void> {
  const instance = await control.instance();
  await control.store.write((tx) =>
    tx.containerInstances.put({ ...instance, status: 'DRAINING', drainingSince: 5, version: instance.version + 1 }),
  );
}

describe('a machine that goes down', () => {
  it('is DRAINING from then on, and told how many others there are for its tasks', async () => {
    await control.store.write(async (tx) => {
      await tx.containerInstances.put(aContainerInstance());
      await tx.containerInstances.put(aContainerInstance({ agentConnected: false }));
      await tx.containerInstances.put(aContainerInstance({ status: 'DRAINING' }));
    });
    const agent = await control.connect();
    const { containerInstanceArn } = agent.last('welcome') ?? {};
    agent.send({ type: 'goingDown' });
    await control.settle();

    expect(agent.last('goingDownAnswer')).toEqual({ type: 'goingDownAnswer', drained: true, others: 1 });
    const row = await control.store.read((tx) => tx.containerInstances.get(containerInstanceArn ?? ''));
    expect(row).toMatchObject({ status: 'DRAINING', drainingSince: control.clock.now() });
  });

  it('is ACTIVE again when it is back', async () => {
    (await goesDown()).pair.cut();
    await control.connect({ backFromShutdown: true });

    const instance = await control.instance();
    expect(instance.status).toBe('ACTIVE');
    expect(instance.drainingSince).toBeUndefined();
  });

  it('stays DRAINING when people had drained it before', async () => {
    await control.connect();
    await drainByHand();
    const agent = await control.connect();
    agent.send({ type: 'goingDown' });
    await control.settle();

    // So the agent notes nothing, and comes back like any other.
    expect(agent.last('goingDownAnswer')).toMatchObject({ drained: false });
    agent.pair.cut();
    await control.connect();
    expect(await control.instance()).toMatchObject({ status: 'DRAINING', drainingSince: 5 });
  });
});

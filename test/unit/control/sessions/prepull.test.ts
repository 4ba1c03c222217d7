/** Images that control asks an agent for ahead of tasks. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { prepullLimitMs, type Prepull } from '#model/prepull.ts';
import type { FakeAgent } from '#test/support/fake-agent.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';

let world: SessionsUnderTest;
let agent: FakeAgent;
const deploymentId = 'ecs-svc/1';
const images = [{ image: 'web:2' }];

beforeEach(async () => {
  world = await startSessions();
  agent = await world.connect();
});

afterEach(() => world.dispose());

async function ask(): Promise<void> {
  const instance = await world.instance();
  const prepulls: Prepull[] = [{ deploymentId, images, askedAt: world.clock.now() }];
  await world.store.write((tx) => tx.containerInstances.put({ ...instance, prepulls }));
  await world.settle();
}

const outcomeKept = async () => (await world.instance()).prepulls?.[0]?.outcome;

test('each is asked for once in a session, and what became of it is kept', async () => {
  await ask();
  await world.place();
  expect(agent.all('prepull')).toEqual([{ type: 'prepull', deploymentId, images }]);
  expect(await outcomeKept()).toBeUndefined();
  agent.send({ type: 'prepullOutcome', deploymentId, outcome: { kind: 'pulled' } });
  await world.settle();
  expect(await outcomeKept()).toEqual({ kind: 'pulled' });
});

test('the next session asks again for what nobody has told of', async () => {
  await ask();
  agent = await world.connect();
  expect(agent.all('prepull')).toHaveLength(1);
  agent.send({ type: 'prepullOutcome', deploymentId, outcome: { kind: 'failed', reason: 'no such image' } });
  await world.settle();
  expect(await outcomeKept()).toEqual({ kind: 'failed', reason: 'no such image' });
  agent = await world.connect();
  expect(agent.all('prepull')).toEqual([]);
});

test('what took too long is not asked for again, and an answer to nothing changes nothing', async () => {
  await ask();
  await world.clock.advance(prepullLimitMs);
  agent = await world.connect();
  expect(agent.all('prepull')).toEqual([]);
  const before = await world.instance();
  agent.send({ type: 'prepullOutcome', deploymentId: 'ecs-svc/2', outcome: { kind: 'pulled' } });
  await world.settle();
  expect(await world.instance()).toEqual(before);
});

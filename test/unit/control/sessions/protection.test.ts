/** Tasks that ask for protection through their agent's session. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ProtectionRequest } from '#protocol/session/protection.ts';
import { aService } from '#test/support/builders/a-service.ts';
import type { FakeAgent } from '#test/support/fake-agent.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';

let world: SessionsUnderTest;
let agent: FakeAgent;
const service = aService({ desiredCount: 1 });

beforeEach(async () => {
  world = await startSessions();
  await world.store.write((tx) => tx.services.put(service));
  agent = await world.connect();
});

afterEach(() => world.dispose());

async function ask(taskArn: string, change?: ProtectionRequest['change']) {
  const requestId = `r-${world.clock.now()}-${agent.received.length}`;
  agent.send({ type: 'protectionRequest', requestId, taskArn, ...(change === undefined ? {} : { change }) });
  await world.settle();
  const answer = agent.last('protectionAnswer');
  expect(answer?.requestId).toBe(requestId);
  return answer?.outcome;
}

const ofService = { serviceName: service.serviceName, lastStatus: 'RUNNING' } as const;

test('a task of a service protects itself, asks, and gives it up', async () => {
  const { taskArn } = await world.place(ofService);
  expect(await ask(taskArn)).toEqual({ kind: 'protection' });
  const until = world.clock.now() + 5 * 60_000;
  const granted = await ask(taskArn, { protectionEnabled: true, expiresInMinutes: 5 });
  expect(granted).toEqual({ kind: 'protection', until });
  expect((await world.task(taskArn)).protectedUntil).toBe(until);
  expect(await ask(taskArn)).toEqual(granted);
  await world.clock.advance(5 * 60_000);
  agent = await world.connect();
  expect(await ask(taskArn)).toEqual({ kind: 'protection' });
});

test('a task without a service cannot', async () => {
  const { taskArn } = await world.place({ lastStatus: 'RUNNING' });
  const failure = { kind: 'failure', reason: 'TASK_NOT_VALID', detail: expect.any(String) };
  expect(await ask(taskArn)).toEqual(failure);
  expect(await ask(taskArn, { protectionEnabled: true })).toEqual(failure);
});

test('an agent does not speak for the tasks of other machines', async () => {
  const { taskArn } = await world.place({ ...ofService, containerInstanceArn: 'arn:elsewhere' });
  expect(await ask(taskArn, { protectionEnabled: true })).toEqual({ kind: 'failure', reason: 'MISSING' });
  expect(await ask('arn:nothing')).toEqual({ kind: 'failure', reason: 'MISSING' });
});

test('a database that is out of reach is an answer, too', async () => {
  const { taskArn } = await world.place(ofService);
  world.storeFailure = new Error('no database');
  expect(await ask(taskArn, { protectionEnabled: true })).toMatchObject({ kind: 'error' });
  world.storeFailure = undefined;
  expect(await ask(taskArn, { protectionEnabled: true })).toMatchObject({ kind: 'protection' });
});

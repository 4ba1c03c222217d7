/** Questions of tasks about their protection, through sessions that come and go. */
import { expect, test } from 'vitest';
import { serveAgentSession } from '#test/support/agent-session-under-test.ts';

const taskArn = 'arn:aws:ecs:us-east-1:000000000000:task/default/0001';

test('control answers the question of a task', async () => {
  const { clock, control, session } = await serveAgentSession();
  const result = session.protect({ taskArn, change: { protectionEnabled: true, expiresInMinutes: 5 } });
  await clock.advance(0);
  const asked = control.last('protectionRequest');
  expect(asked).toMatchObject({ taskArn, change: { protectionEnabled: true, expiresInMinutes: 5 } });
  const requestId = asked?.requestId ?? '';
  control.send({ type: 'protectionAnswer', requestId: 'another', outcome: { kind: 'protection' } });
  control.send({ type: 'protectionAnswer', requestId, outcome: { kind: 'protection', until: 300_000 } });
  await clock.advance(0);
  expect(await result).toEqual({ kind: 'protection', until: 300_000 });
  session.stop();
});

test('a question without an answer ends in time', async () => {
  const { clock, session } = await serveAgentSession();
  const result = session.protect({ taskArn });
  await clock.advance(4000);
  expect(await result).toEqual({ kind: 'timeout' });
  session.stop();
});

test('what was asked as the session broke is asked again in the next', async () => {
  const { clock, control, session } = await serveAgentSession();
  const result = session.protect({ taskArn });
  await clock.advance(0);
  control.network.current?.cut();
  await clock.advance(2000);
  const asked = control.all('protectionRequest');
  expect(asked).toHaveLength(2);
  expect(asked[1]).toEqual(asked[0]);
  control.send({ type: 'protectionAnswer', requestId: asked[1]?.requestId ?? '', outcome: { kind: 'protection' } });
  await clock.advance(0);
  expect(await result).toEqual({ kind: 'protection' });
  session.stop();
});

test('without control the answer is that there is none, in time', async () => {
  const { clock, control, session } = await serveAgentSession();
  control.network.unreachable = true;
  control.network.current?.cut();
  await clock.advance(0);
  const result = session.protect({ taskArn });
  await clock.advance(4000);
  expect(await result).toEqual({ kind: 'timeout' });
  session.stop();
});

test('only so many wait at once', async () => {
  const { clock, session } = await serveAgentSession();
  const results = Array.from({ length: 65 }, () => session.protect({ taskArn }));
  expect(await results[64]).toEqual({ kind: 'tooMany' });
  await clock.advance(4000);
  expect(await results[63]).toEqual({ kind: 'timeout' });
  session.stop();
});

/** Images that control asks for, through the agent's session. */
import { expect, test } from 'vitest';
import { serveAgentSession } from '#test/support/agent-session-under-test.ts';
import type { PrepullImages } from '#protocol/session/prepull.ts';

const question: PrepullImages = {
  type: 'prepull',
  deploymentId: 'ecs-svc/1',
  images: [{ image: 'web:2', secret: 'registry/web' }],
};

test('are got, and told of in the session that is open by then', async () => {
  const asked: unknown[] = [];
  const got = Promise.withResolvers<{ kind: 'pulled' }>();
  const { clock, control, session } = await serveAgentSession({
    prepull(images) {
      asked.push(images);
      return got.promise;
    },
  });
  control.send(question);
  await clock.advance(0);
  expect(asked).toEqual([question.images]);
  control.network.current?.cut();
  await clock.advance(2000);
  got.resolve({ kind: 'pulled' });
  await clock.advance(0);
  expect(control.all('prepullOutcome')).toEqual([
    { type: 'prepullOutcome', deploymentId: 'ecs-svc/1', outcome: { kind: 'pulled' } },
  ]);
  session.stop();
});

test('are refused by an agent that gets none', async () => {
  const { clock, control, session } = await serveAgentSession();
  control.send(question);
  await clock.advance(0);
  expect(control.last('prepullOutcome')?.outcome.kind).toBe('failed');
  session.stop();
});

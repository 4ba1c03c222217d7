/** How state changes get to control. docs/session.md S7. */
import { expect, it } from 'vitest';
import { serveAgentSession, type AgentSessionUnderTest } from '#test/support/agent-session-under-test.ts';
import type { AgentMessage } from '#protocol/session/messages.ts';

function report(
  test: AgentSessionUnderTest,
  taskArn: string,
  lastStatus: 'PENDING' | 'RUNNING' | 'STOPPED' = 'RUNNING',
): void {
  test.state.report({ taskArn, lastStatus, healthStatus: 'UNKNOWN', containers: [] });
  test.session.stateChanged();
}

function acknowledge(test: AgentSessionUnderTest, message: AgentMessage | undefined): void {
  if (message?.type !== 'stateChanges') throw new Error('nothing to acknowledge');
  test.control.send({ type: 'stateAck', acks: message.changes.map(({ taskArn, number }) => ({ taskArn, number })) });
}

it('the first is sent at once, and what happens meanwhile rides together when it is acknowledged', async () => {
  const test = await serveAgentSession();
  report(test, 'arn:1', 'PENDING');
  report(test, 'arn:2');
  report(test, 'arn:1', 'RUNNING');
  report(test, 'arn:3');
  await test.clock.advance(0);
  expect(test.control.all('stateChanges').map(({ changes }) => changes.map(({ taskArn }) => taskArn))).toEqual([
    ['arn:1'],
  ]);
  acknowledge(test, test.control.last('stateChanges'));
  await test.clock.advance(0);
  expect(test.control.last('stateChanges')?.changes.map(({ taskArn, number }) => [taskArn, number])).toEqual([
    ['arn:2', 2],
    ['arn:1', 3],
    ['arn:3', 4],
  ]);
});

it('a batch without an answer is sent again, with what is newest by then', async () => {
  const test = await serveAgentSession();
  report(test, 'arn:1', 'RUNNING');
  await test.clock.advance(9000);
  report(test, 'arn:1', 'STOPPED');
  await test.clock.advance(1000);
  expect(test.control.all('stateChanges').map(({ changes }) => changes[0]?.lastStatus)).toEqual(['RUNNING', 'STOPPED']);
  acknowledge(test, test.control.last('stateChanges'));
  await test.clock.advance(0);
  expect(test.state.unacknowledged()).toBe(0);
});

it('an acknowledgement of an older snapshot does not swallow the newer', async () => {
  const test = await serveAgentSession();
  report(test, 'arn:1', 'RUNNING');
  await test.clock.advance(0);
  const first = test.control.last('stateChanges');
  report(test, 'arn:1', 'STOPPED');
  acknowledge(test, first);
  await test.clock.advance(0);
  expect(test.control.last('stateChanges')?.changes).toMatchObject([{ taskArn: 'arn:1', lastStatus: 'STOPPED' }]);
});

it('everything unacknowledged is sent after a reconnect', async () => {
  const test = await serveAgentSession();
  report(test, 'arn:1');
  await test.clock.advance(0);
  test.control.network.current?.cut();
  report(test, 'arn:2');
  await test.clock.advance(1000);
  expect(test.session.state.name).toBe('serving');
  expect(test.control.last('stateChanges')?.changes.map(({ taskArn }) => taskArn)).toEqual(['arn:1', 'arn:2']);
});

it('what control rejects is never sent again', async () => {
  const test = await serveAgentSession();
  report(test, 'arn:1');
  await test.clock.advance(0);
  test.control.send({ type: 'stateAck', acks: [{ taskArn: 'arn:1', number: 1, rejected: 'the task is not known' }] });
  await test.clock.advance(20_000);
  expect(test.control.all('stateChanges')).toHaveLength(1);
});

it('hundreds go in batches, one at a time, until none is left', async () => {
  const test = await serveAgentSession({
    onMessage(message, control) {
      if (message.type === 'hello') welcome(control);
      if (message.type === 'stateChanges') {
        control.send({ type: 'stateAck', acks: message.changes.map(({ taskArn, number }) => ({ taskArn, number })) });
      }
    },
  });
  for (let index = 0; index < 450; index++) {
    test.state.report({ taskArn: `arn:${index}`, lastStatus: 'RUNNING', healthStatus: 'UNKNOWN', containers: [] });
  }
  test.session.stateChanged();
  await test.clock.advance(0);
  expect(test.control.all('stateChanges').map(({ changes }) => changes.length)).toEqual([100, 100, 100, 100, 50]);
  expect(test.state.unacknowledged()).toBe(0);
});

it('a reason of any length fits', async () => {
  const test = await serveAgentSession();
  test.state.report({
    taskArn: 'arn:1',
    lastStatus: 'STOPPED',
    healthStatus: 'UNKNOWN',
    stoppedReason: 'x'.repeat(5000),
    containers: [
      {
        name: 'main',
        lastStatus: 'STOPPED',
        reason: 'y'.repeat(5000),
        runtimeId: 'z'.repeat(500),
        healthStatus: 'UNKNOWN',
        networkBindings: [],
      },
    ],
  });
  test.session.stateChanged();
  await test.clock.advance(0);
  const [change] = test.control.last('stateChanges')?.changes ?? [];
  expect(change?.stoppedReason).toHaveLength(1024);
  expect(change?.containers[0]).toMatchObject({ reason: 'y'.repeat(1024), runtimeId: 'z'.repeat(255) });
});

function welcome(control: { send: AgentSessionUnderTest['control']['send'] }): void {
  control.send({
    type: 'welcome',
    protocolVersion: 1,
    sessionId: 's',
    containerInstanceArn: 'arn:instance',
    cluster: 'default',
    region: 'us-east-1',
    accountId: '000000000000',
    heartbeatIntervalMs: 10_000,
  });
}

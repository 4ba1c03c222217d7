/** Logs through a session. docs/session.md S12. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FakeAgent } from '#test/support/fake-agent.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';
import type { LogsRequest } from '#control/sessions/logs.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import type { LogEntry } from '#protocol/session/messages.ts';

let control: SessionsUnderTest;
let agent: FakeAgent;
let taskArn: string;
beforeEach(async () => {
  control = await startSessions();
  agent = await control.connect();
  ({ taskArn } = await control.place());
});
afterEach(() => control.dispose());

const entry = (text: string): LogEntry => ({ stream: 'stdout', at: 1, text });

/** Reads to the end in the background. */
function read(request: Partial<LogsRequest> = {}) {
  const texts: string[] = [];
  let outcome: { ended: true; error?: unknown } | undefined;
  async function run(): Promise<void> {
    try {
      for await (const { text } of control.sessions.openLogs({ taskArn, follow: true, ...request })) texts.push(text);
      outcome = { ended: true };
    } catch (error) {
      outcome = { ended: true, error };
    }
  }
  void run();
  return {
    texts,
    get outcome() {
      return outcome;
    },
  };
}

async function settleOpen(): Promise<string> {
  await control.settle();
  return agent.last('logsOpen')?.streamId ?? '';
}

describe('a stream', () => {
  it('asks the agent for the one container and gives on what comes, to the end', async () => {
    const reading = read({ tail: 10, sinceMs: 5 });
    const streamId = await settleOpen();
    expect(agent.last('logsOpen')).toMatchObject({
      taskArn,
      containerName: 'main',
      follow: true,
      tail: 10,
      sinceMs: 5,
    });
    agent.send({ type: 'logEntries', streamId, entries: [entry('a'), entry('b')] });
    await control.settle();
    expect(reading.texts).toEqual(['a', 'b']);
    agent.send({ type: 'logEntries', streamId, entries: [entry('c')], ended: {} });
    await control.settle();
    expect(reading).toMatchObject({ texts: ['a', 'b', 'c'], outcome: { ended: true } });
    expect(agent.last('logsClose')).toBeUndefined();
  });

  it('gives new credit as it is read', async () => {
    read();
    const streamId = await settleOpen();
    const credit = agent.last('logsOpen')?.credit ?? 0;
    agent.send({ type: 'logEntries', streamId, entries: Array.from({ length: credit }, () => entry('x')) });
    await control.settle();
    expect(agent.all('logsCredit').reduce((sum, message) => sum + message.credit, 0)).toBe(credit);
  });

  it('that nobody reads gets no credit, and an agent that sends on is cut off', async () => {
    const reader = control.sessions.openLogs({ taskArn, follow: true })[Symbol.asyncIterator]();
    void reader.next();
    const streamId = await settleOpen();
    const credit = agent.last('logsOpen')?.credit ?? 0;
    const entries = Array.from({ length: credit }, () => entry('x'));
    agent.send({ type: 'logEntries', streamId, entries });
    await control.settle();
    expect(agent.last('logsCredit')).toBeUndefined();
    agent.send({ type: 'logEntries', streamId, entries: [entry('one too many')] });
    await control.settle();
    expect(agent.closed?.code).toBe(closeCodes.invalidMessage);
  });

  it('ends and tells the agent when the reader goes', async () => {
    const abort = new AbortController();
    const reading = read({ signal: abort.signal });
    const streamId = await settleOpen();
    abort.abort();
    await control.settle();
    expect(reading.outcome).toEqual({ ended: true });
    expect(agent.last('logsClose')).toEqual({ type: 'logsClose', streamId });
  });
});

describe('without logs to be had', () => {
  it.each([
    ['task-not-found', { taskArn: 'arn:none' }],
    ['container-not-found', { container: 'sidecar' }],
  ] as const)('the reader is told: %s', async (kind, request) => {
    const reading = read(request);
    await control.settle();
    expect(reading.outcome).toMatchObject({ error: { name: 'LogsError', kind } });
  });

  it('the reader is told that the agent is not connected', async () => {
    agent.pair.cut();
    await control.settle();
    const reading = read();
    await control.settle();
    expect(reading.outcome).toMatchObject({ error: { kind: 'agent-not-connected' } });
  });

  it('the reader is told that the session was lost, after all that had come', async () => {
    const reading = read();
    const streamId = await settleOpen();
    agent.send({ type: 'logEntries', streamId, entries: [entry('last words')] });
    await control.settle();
    agent.pair.cut();
    await control.settle();
    expect(reading).toMatchObject({ texts: ['last words'], outcome: { error: { kind: 'session-lost' } } });
  });

  it("the reader is told the agent's reason", async () => {
    const reading = read();
    const streamId = await settleOpen();
    agent.send({ type: 'logEntries', streamId, entries: [], ended: { error: 'the logging driver keeps no logs' } });
    await control.settle();
    expect(reading.outcome).toMatchObject({
      error: { kind: 'unreadable', message: 'the logging driver keeps no logs' },
    });
  });
});

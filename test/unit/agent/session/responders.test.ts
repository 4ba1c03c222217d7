/** What the agent makes of control's messages. docs/session.md S1, S2, S5. */
import { describe, expect, it } from 'vitest';
import { serveAgentSession, type AgentSessionUnderTest } from '#test/support/agent-session-under-test.ts';
import { anAssignment } from '#test/support/fake-control.ts';
import { createMemorySessionState } from '#test/support/memory-session-state.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';

const start = anAssignment();
const stop = anAssignment({ desiredStatus: 'STOPPED', stop: { stopCode: 'UserInitiated', reason: 'asked for' } });

async function receive(test: AgentSessionUnderTest, ...messages: Parameters<typeof test.control.send>): Promise<void> {
  for (const message of messages) test.control.send(message);
  await test.clock.advance(0);
}

describe('assignments', () => {
  it('are saved, then acknowledged, then told to the runner (S1)', async () => {
    const order: string[] = [];
    const test = await serveAgentSession({ onAssigned: ([arn]) => order.push(`told ${arn}`) });
    await receive(test, { type: 'assignments', number: 4, tasks: [start], definitions: {} });
    expect(test.state.tasks.get(start.taskArn)).toMatchObject({ desiredStatus: 'RUNNING', assignmentNumber: 4 });
    expect(test.control.last('assignmentsAck')).toEqual({ type: 'assignmentsAck', number: 4 });
    expect(order).toEqual([`told ${start.taskArn}`]);
  });

  it('that cannot be saved are not acknowledged; the session ends and control sends again', async () => {
    const test = await serveAgentSession();
    test.state.failure = new Error('no space left on device');
    await receive(test, { type: 'assignments', number: 4, tasks: [start], definitions: {} });
    await test.clock.advance(0);
    expect(test.control.last('assignmentsAck')).toBeUndefined();
    expect(test.assigned).toEqual([]);
    expect(test.control.closures[0]).toEqual({ code: closeCodes.internalError, reason: 'no space left on device' });
    test.state.failure = undefined;
    await test.clock.advance(60_000);
    expect(test.session.state.name).toBe('serving');
  });

  it('in any order and number end the same (S2)', async () => {
    const test = await serveAgentSession();
    const later = { type: 'assignments', number: 5, tasks: [stop], definitions: {} } as const;
    const earlier = { type: 'assignments', number: 4, tasks: [start], definitions: {} } as const;
    for (const message of [later, earlier, later, earlier]) {
      test.control.sendText(JSON.stringify(message));
      await test.clock.advance(0);
    }
    expect(test.state.tasks.get(start.taskArn)?.desiredStatus).toBe('STOPPED');
    expect(test.state.assignmentNumber()).toBe(5);
  });
});

describe('a complete set', () => {
  async function withRunning(): Promise<AgentSessionUnderTest> {
    const memory = createMemorySessionState();
    memory.saveAssignments({ number: 7, tasks: [start], definitions: {} });
    return serveAgentSession({ memory });
  }

  it('that lacks a running task stops nothing by itself: the agent asks (S5)', async () => {
    const test = await withRunning();
    await receive(test, { type: 'completeSet', number: 8, tasks: [] });
    expect(test.control.last('stopQuery')).toEqual({ type: 'stopQuery', number: 8, taskArns: [start.taskArn] });
    expect(test.state.tasks.get(start.taskArn)?.desiredStatus).toBe('RUNNING');
  });

  it('says nothing about a task that was assigned after it', async () => {
    const test = await withRunning();
    await receive(test, { type: 'completeSet', number: 6, tasks: [] });
    expect(test.control.last('stopQuery')).toBeUndefined();
  });

  it('that newer assignments have overtaken still counts for the tasks before it', async () => {
    const test = await withRunning();
    await receive(test, { type: 'assignments', number: 9, tasks: [], definitions: {} });
    await receive(test, { type: 'completeSet', number: 8, tasks: [] });
    expect(test.control.last('stopQuery')).toEqual({ type: 'stopQuery', number: 8, taskArns: [start.taskArn] });
  });

  it('asks again until it is answered, then no more', async () => {
    const test = await withRunning();
    await receive(test, { type: 'completeSet', number: 8, tasks: [] });
    await test.clock.advance(30_000);
    expect(test.control.all('stopQuery')).toHaveLength(2);
    await receive(test, { type: 'stopConfirm', asked: 8, number: 8, taskArns: [] });
    await test.clock.advance(9000);
    expect(test.control.all('stopQuery')).toHaveLength(2);
    expect(test.state.tasks.get(start.taskArn)?.desiredStatus).toBe('RUNNING');
  });

  it('and a newer confirmation stop the task, acknowledged and told', async () => {
    const test = await withRunning();
    await receive(test, { type: 'completeSet', number: 8, tasks: [] });
    await receive(test, { type: 'stopConfirm', asked: 8, number: 9, taskArns: [start.taskArn] });
    expect(test.state.tasks.get(start.taskArn)?.desiredStatus).toBe('STOPPED');
    expect(test.control.last('assignmentsAck')?.number).toBe(9);
    expect(test.assigned).toEqual([[start.taskArn]]);
  });

  it('and a confirmation that is not newer than what is saved stop nothing', async () => {
    const test = await withRunning();
    await receive(test, { type: 'completeSet', number: 8, tasks: [] });
    await receive(test, { type: 'assignments', number: 9, tasks: [], definitions: {} });
    await receive(test, { type: 'stopConfirm', asked: 8, number: 9, taskArns: [start.taskArn] });
    expect(test.state.tasks.get(start.taskArn)?.desiredStatus).toBe('RUNNING');
  });

  it('and a confirmation of what was not asked for stop nothing', async () => {
    const test = await withRunning();
    await receive(test, { type: 'stopConfirm', asked: 8, number: 99, taskArns: [start.taskArn] });
    expect(test.state.tasks.get(start.taskArn)?.desiredStatus).toBe('RUNNING');
    expect(test.control.last('assignmentsAck')).toBeUndefined();
  });

  it('of a control that was restored makes the agent tell again what it had told', async () => {
    const test = await withRunning();
    test.state.report({ taskArn: start.taskArn, lastStatus: 'RUNNING', healthStatus: 'UNKNOWN', containers: [] });
    test.state.acknowledge([{ taskArn: start.taskArn, number: 1 }]);
    const listed = { taskArn: start.taskArn, desiredStatus: 'RUNNING' as const };
    await receive(test, { type: 'completeSet', number: 8, tasks: [{ ...listed, stateChangeNumber: 0 }] });
    expect(test.control.last('stateChanges')?.changes).toMatchObject([{ taskArn: start.taskArn, number: 1 }]);
  });

  it('of a control that knows more than the agent, which was restored, makes it tell under a new number', async () => {
    const test = await withRunning();
    test.state.report({ taskArn: start.taskArn, lastStatus: 'RUNNING', healthStatus: 'UNKNOWN', containers: [] });
    test.state.acknowledge([{ taskArn: start.taskArn, number: 1 }]);
    const listed = { taskArn: start.taskArn, desiredStatus: 'RUNNING' as const };
    await receive(test, { type: 'completeSet', number: 8, tasks: [{ ...listed, stateChangeNumber: 40 }] });
    expect(test.control.last('stateChanges')?.changes).toMatchObject([{ taskArn: start.taskArn, number: 41 }]);
  });
});

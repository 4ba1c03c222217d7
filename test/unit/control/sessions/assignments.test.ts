/** What is sent to an agent, and when. docs/session.md S2, S3, S11. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aTask } from '#test/support/builders/a-task.ts';
import { aTaskDefinition } from '#test/support/builders/a-task-definition.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aTaskState } from '#test/support/fake-agent.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';
import { lineOfHello, planOutgoing } from '#control/sessions/assignments.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';

let control: SessionsUnderTest;
beforeEach(async () => {
  control = await startSessions();
});
afterEach(() => control.dispose());

describe('after the complete set', () => {
  it('a placed task is sent at once, whole, with its definition', async () => {
    const agent = await control.connect();
    const task = await control.place();
    expect(agent.all('assignments').at(-1)).toMatchObject({
      number: 1,
      tasks: [{ taskArn: task.taskArn, desiredStatus: 'RUNNING', containers: [{ name: 'main' }] }],
      definitions: { [task.taskDefinitionArn]: aTaskDefinition().body },
    });
  });

  it('a stop is sent with its code and reason', async () => {
    const agent = await control.connect();
    const { taskArn } = await control.place();
    await control.requestStop(taskArn);
    expect(agent.last('assignments')).toMatchObject({
      number: 2,
      tasks: [{ taskArn, desiredStatus: 'STOPPED', stop: { stopCode: 'UserInitiated', reason: 'asked for' } }],
    });
  });

  it('a lost task that the agent does not have starts only when its service takes it up again', () => {
    const instance = aContainerInstance({ assignmentNumber: 4 });
    const { containerInstanceArn } = instance;
    const lost = aTask({ containerInstanceArn, lastStatus: 'PENDING', lostAt: 1, assignmentNumber: 3 });
    const first = planOutgoing({ instance, tasks: [lost], definitions: new Map() }, lineOfHello({ tasks: [] }));
    expect(first.messages).toMatchObject([{ type: 'completeSet' }, { type: 'assignments', tasks: [] }]);
    const { lostAt: _, ...back } = { ...lost, assignmentNumber: 5 };
    const moved = { ...instance, assignmentNumber: 5 };
    const next = planOutgoing({ instance: moved, tasks: [back], definitions: new Map() }, first.line);
    expect(next.messages).toMatchObject([{ tasks: [{ taskArn: lost.taskArn, desiredStatus: 'RUNNING' }] }]);
  });

  it('a task on its way out that the agent has forgotten is to stop: it ended since the backup that was restored', () => {
    const instance = aContainerInstance({ assignmentNumber: 4 });
    const { containerInstanceArn } = instance;
    const stopCode = 'EssentialContainerExited';
    const task = aTask({ containerInstanceArn, lastStatus: 'STOPPING', stopCode, stoppedReason: 'it ended' });
    const { messages, line } = planOutgoing(
      { instance, tasks: [task], definitions: new Map() },
      lineOfHello({ tasks: [] }),
    );
    expect(messages.at(-1)).toMatchObject({
      tasks: [{ taskArn: task.taskArn, desiredStatus: 'STOPPED', stop: { stopCode, reason: 'it ended' } }],
    });
    expect(line.known.get(task.taskArn)).toBe('STOPPED');
  });

  it('nothing is sent twice in a session, whatever is announced (S3)', async () => {
    const agent = await control.connect();
    const { taskArn } = await control.place();
    const sent = agent.received.length;
    const task = await control.task(taskArn);
    await control.store.write((tx) => tx.tasks.put({ ...task, healthStatus: 'HEALTHY' }));
    await control.settle();
    agent.send({ type: 'stateChanges', changes: [aTaskState({ taskArn, number: 1 })] });
    await control.settle();
    expect(agent.received.slice(sent).map(({ type }) => type)).toEqual(['stateAck']);
  });

  it('many announcements make one message', async () => {
    const agent = await control.connect();
    const instance = await control.instance();
    const { containerInstanceArn } = instance;
    const writes = [1, 2, 3, 4, 5].map((assignmentNumber) =>
      control.store.write(async (tx) => {
        await tx.containerInstances.put({ ...instance, assignmentNumber });
        await tx.tasks.put(aTask({ containerInstanceArn, lastStatus: 'PENDING', assignmentNumber }));
      }),
    );
    await Promise.all(writes);
    await control.settle();
    const messages = agent.all('assignments').filter(({ number }) => number > 0);
    expect(messages.flatMap(({ tasks }) => tasks)).toHaveLength(5);
    expect(messages.length).toBeLessThan(5);
    expect(messages.at(-1)?.number).toBe(5);
  });
});

describe('a reconnect', () => {
  it('sends only what the hello lacks', async () => {
    const first = await control.connect();
    const known = await control.place();
    const wrong = await control.place();
    const missed = await control.place();
    first.pair.cut();
    await control.settle();
    await control.requestStop(wrong.taskArn);
    const again = await control.connect({
      assignmentNumber: 2,
      tasks: [
        { taskArn: known.taskArn, desiredStatus: 'RUNNING', assignmentNumber: 1 },
        { taskArn: wrong.taskArn, desiredStatus: 'RUNNING', assignmentNumber: 2 },
      ],
    });
    expect(again.last('completeSet')?.tasks.map(({ taskArn, desiredStatus }) => ({ taskArn, desiredStatus }))).toEqual([
      { taskArn: known.taskArn, desiredStatus: 'RUNNING' },
      { taskArn: wrong.taskArn, desiredStatus: 'STOPPED' },
      { taskArn: missed.taskArn, desiredStatus: 'RUNNING' },
    ]);
    const sent = again.all('assignments').flatMap(({ tasks }) => tasks);
    expect(sent.map(({ taskArn }) => taskArn)).toEqual([missed.taskArn, wrong.taskArn]);
    expect(again.last('assignments')?.number).toBe(4);
  });

  it('while the database is out of reach sends nothing wrong, and everything afterwards', async () => {
    const agent = await control.connect();
    control.storeFailure = new Error('database is locked');
    agent.send({ type: 'stopQuery', number: 0, taskArns: ['arn:unknown'] });
    await control.settle();
    const { taskArn } = await control.place();
    expect(agent.all('assignments').flatMap(({ tasks }) => tasks)).toEqual([]);
    control.storeFailure = undefined;
    await control.clock.advance(20_000);
    await control.settle();
    expect(agent.all('assignments').flatMap(({ tasks }) => tasks)).toMatchObject([{ taskArn }]);
  });
});

describe('acknowledgements (S11)', () => {
  it('an agent that does not save for thirty seconds is given up, although its heart beats', async () => {
    const agent = await control.connect();
    agent.send({ type: 'assignmentsAck', number: 0 });
    await control.place();
    for (let beat = 0; beat < 3; beat++) {
      agent.send({ type: 'heartbeat', sentAt: 0, health: { status: 'OK' } });
      await control.clock.advance(10_000);
    }
    await control.settle();
    expect(agent.closed).toEqual({
      code: closeCodes.heartbeatTimeout,
      reason: 'assignments 1 were not acknowledged in time',
    });
  });

  it('an agent that saves is not', async () => {
    const agent = await control.connect();
    await control.place();
    agent.send({ type: 'assignmentsAck', number: 1 });
    for (let beat = 0; beat < 6; beat++) {
      agent.send({ type: 'heartbeat', sentAt: 0, health: { status: 'OK' } });
      await control.clock.advance(10_000);
    }
    expect(agent.closed).toBeUndefined();
  });
});

describe('planOutgoing', () => {
  it('splits a large set into batches whose numbers never fall, the last at the head', () => {
    const definition = aTaskDefinition();
    const tasks = Array.from({ length: 450 }, (_, index) =>
      aTask({ lastStatus: 'PENDING', assignmentNumber: 450 - index }),
    );
    const { messages, line } = planOutgoing(
      {
        instance: aContainerInstance({ assignmentNumber: 460 }),
        tasks,
        definitions: new Map([[definition.taskDefinitionArn, definition]]),
      },
      lineOfHello({ tasks: [] }),
    );
    expect(messages.map(({ type, number, tasks: sent }) => [type, number, sent.length])).toEqual([
      ['completeSet', 460, 450],
      ['assignments', 200, 200],
      ['assignments', 400, 200],
      ['assignments', 460, 50],
    ]);
    expect(line.head).toBe(460);
  });

  it('keeps a message small when definitions are large', () => {
    const heavy = [1, 2, 3].map((revision) =>
      aTaskDefinition({
        revision,
        body: { containerDefinitions: [{ name: 'main', image: 'x', command: ['y'.repeat(600_000)] }] },
      }),
    );
    const { messages } = planOutgoing(
      {
        instance: aContainerInstance({ assignmentNumber: 3 }),
        tasks: heavy.map(({ revision }) => aTask({ revision, lastStatus: 'PENDING', assignmentNumber: revision })),
        definitions: new Map(heavy.map((definition) => [definition.taskDefinitionArn, definition])),
      },
      { head: 0, known: new Map() },
    );
    expect(messages).toHaveLength(3);
    for (const message of messages) expect(JSON.stringify(message).length).toBeLessThan(1_300_000);
  });

  it('does not tell an agent of a task that ended before it ever heard of it', () => {
    const gone = aTask({ lastStatus: 'STOPPED', assignmentNumber: 5 });
    const { messages } = planOutgoing(
      { instance: aContainerInstance({ assignmentNumber: 5 }), tasks: [gone], definitions: new Map() },
      { head: 4, known: new Map() },
    );
    expect(messages).toEqual([]);
  });
});

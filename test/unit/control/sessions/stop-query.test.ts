/** May a task stop that control does not list? docs/session.md S5, S6. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { aTask } from '#test/support/builders/a-task.ts';
import type { FakeAgent } from '#test/support/fake-agent.ts';
import { startSessions, type SessionsUnderTest } from '#test/support/sessions-under-test.ts';

let control: SessionsUnderTest;
beforeEach(async () => {
  control = await startSessions();
});
afterEach(() => control.dispose());

async function ask(agent: FakeAgent, taskArns: string[]): Promise<void> {
  agent.send({ type: 'stopQuery', number: agent.last('completeSet')?.number ?? 0, taskArns });
  await control.settle();
}

function running(...taskArns: string[]) {
  return taskArns.map((taskArn) => ({ taskArn, desiredStatus: 'RUNNING' as const, assignmentNumber: 1 }));
}

it('a task that was declared lost while the agent was away stops, under a number newer than all sent', async () => {
  const first = await control.connect();
  const task = await control.place();
  first.pair.cut();
  await control.settle();
  await control.store.write((tx) => tx.tasks.put({ ...task, lastStatus: 'STOPPED', desiredStatus: 'STOPPED' }));
  const agent = await control.connect({ assignmentNumber: 1, tasks: running(task.taskArn) });
  expect(agent.last('completeSet')?.tasks).toEqual([]);
  await ask(agent, [task.taskArn]);
  expect(agent.last('stopConfirm')).toEqual({ type: 'stopConfirm', asked: 1, number: 2, taskArns: [task.taskArn] });
  expect((await control.instance()).assignmentNumber).toBe(2);
});

it('a task that was forgotten in order, long after it was lost, stops', async () => {
  const first = await control.connect();
  const task = await control.place();
  first.pair.cut();
  await control.settle();
  await control.store.write((tx) => tx.tasks.delete([task.taskArn]));
  const agent = await control.connect({ assignmentNumber: 1, tasks: running(task.taskArn) });
  await ask(agent, [task.taskArn]);
  expect(agent.last('stopConfirm')?.taskArns).toEqual([task.taskArn]);
});

it('a task that is wanted after all does not stop, and no number is taken', async () => {
  const first = await control.connect();
  first.pair.cut();
  await control.settle();
  const { containerInstanceArn } = await control.instance();
  const late = aTask({ containerInstanceArn });
  const agent = await control.connect({ tasks: running(late.taskArn) });
  await control.store.write((tx) => tx.tasks.put(late));
  await ask(agent, [late.taskArn]);
  expect(agent.last('stopConfirm')).toEqual({ type: 'stopConfirm', asked: 0, number: 0, taskArns: [] });
});

it('a task that the hello did not name does not stop', async () => {
  const agent = await control.connect();
  await ask(agent, ['arn:aws:ecs:us-east-1:000000000000:task/default/unheard-of']);
  expect(agent.last('stopConfirm')?.taskArns).toEqual([]);
});

it('tasks that a restored database has forgotten do not stop, in this session or a later one (S6)', async () => {
  const forgotten = 'arn:aws:ecs:us-east-1:000000000000:task/default/after-the-backup';
  const reaped = 'arn:aws:ecs:us-east-1:000000000000:task/default/before-the-backup';
  const first = await control.connect();
  for (let number = 1; number <= 10; number++) await control.place({ lastStatus: 'STOPPED' });
  first.pair.cut();
  await control.settle();
  // The agent comes back with what a control of the future had given it: the database is yesterday's.
  const hello = {
    assignmentNumber: 25,
    tasks: [
      { taskArn: forgotten, desiredStatus: 'RUNNING' as const, assignmentNumber: 20 },
      { taskArn: reaped, desiredStatus: 'RUNNING' as const, assignmentNumber: 4 },
    ],
  };
  const agent = await control.connect(hello);
  expect((await control.instance()).assignmentNumber).toBe(25);
  expect(control.logLines.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
    'an agent knows assignments this database never made: it was restored from an older state',
  ]);
  await ask(agent, [forgotten, reaped]);
  expect(agent.last('stopConfirm')?.taskArns).toEqual([reaped]);

  agent.pair.cut();
  await control.settle();
  const again = await control.connect(hello);
  await ask(again, [forgotten]);
  expect(again.last('stopConfirm')?.taskArns).toEqual([]);
});

it('what an agent that had lost its journal got does not stop after a second restore, although its line had been as long before (S6)', async () => {
  const first = await control.connect();
  for (let number = 1; number <= 10; number++) await control.place({ lastStatus: 'STOPPED' });
  first.pair.cut();
  await control.settle();
  const backup = await control.instance();
  // The journal is lost. What is placed now is in no backup.
  await control.store.write((tx) => tx.containerInstances.put({ ...backup, assignmentNumber: 4, heardUpTo: 4 }));
  const second = await control.connect({ incarnation: 'incarnation-0002' });
  const { taskArn, assignmentNumber } = await control.place();
  second.pair.cut();
  await control.settle();
  await control.store.write(async (tx) => {
    await tx.tasks.delete([taskArn]);
    await tx.containerInstances.put(backup);
  });
  const agent = await control.connect({
    incarnation: 'incarnation-0002',
    containerInstanceArn: backup.containerInstanceArn,
    assignmentNumber,
    tasks: [{ taskArn, desiredStatus: 'RUNNING', assignmentNumber }],
  });
  await ask(agent, [taskArn]);
  expect(agent.last('stopConfirm')?.taskArns).toEqual([]);
});

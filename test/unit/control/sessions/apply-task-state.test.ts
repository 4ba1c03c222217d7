/** What a reported state makes of a row. docs/session.md S7, S8; invariants I1 and I11 of any orchestrator: no way back, no effect of a replay. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aTask } from '#test/support/builders/a-task.ts';
import { aTaskContainer } from '#test/support/builders/a-task-container.ts';
import { aTaskState } from '#test/support/fake-agent.ts';
import { applyTaskState } from '#control/sessions/apply-task-state.ts';
import { taskStatusRank, type Task } from '#model/task.ts';
import type { TaskState } from '#protocol/session/messages.ts';

const now = 5000;

describe('a reported state', () => {
  const pending = aTask({
    lastStatus: 'PENDING',
    containers: [aTaskContainer({ name: 'main', lastStatus: 'PENDING', image: 'kept' })],
  });

  it('moves the task on and takes over what the agent knows', () => {
    const binding = { bindIP: '0.0.0.0', containerPort: 80, hostPort: 32_768, protocol: 'tcp' } as const;
    const change = aTaskState({
      taskArn: pending.taskArn,
      number: 3,
      startedAt: 4000,
      containers: [
        { name: 'main', lastStatus: 'RUNNING', runtimeId: 'abc', healthStatus: 'UNKNOWN', networkBindings: [binding] },
        { name: 'stranger', lastStatus: 'RUNNING', healthStatus: 'UNKNOWN', networkBindings: [] },
      ],
    });
    const task = applyTaskState(pending, change, now);
    expect(task).toMatchObject({
      lastStatus: 'RUNNING',
      startedAt: 4000,
      stateChangeNumber: 3,
      version: pending.version + 1,
      connectivity: 'CONNECTED',
    });
    expect(task?.containers).toHaveLength(1);
    expect(task?.containers[0]).toMatchObject({ image: 'kept', runtimeId: 'abc', networkBindings: [binding] });
  });

  it('that says STOPPED ends the wish too, with the reason the agent found', () => {
    const running = aTask({ stopCode: 'UserInitiated', stoppedReason: 'asked for', stoppingAt: 3000 });
    const change = aTaskState({
      taskArn: running.taskArn,
      number: 1,
      lastStatus: 'STOPPED',
      stopCode: 'EssentialContainerExited',
      stoppedReason: 'Essential container in task exited',
      stoppedAt: 4500,
    });
    // By the clock that decides for how long it is kept.
    expect(applyTaskState(running, change, now)).toMatchObject({
      lastStatus: 'STOPPED',
      desiredStatus: 'STOPPED',
      stopCode: 'EssentialContainerExited',
      stoppedAt: now,
      stoppingAt: 3000,
    });
  });

  it('that leaves out moments gets them from the clock, and keeps those that are known', () => {
    const running = aTask({ startedAt: 1000 });
    const change = aTaskState({ taskArn: running.taskArn, number: 1, lastStatus: 'STOPPED' });
    expect(applyTaskState(running, change, now)).toMatchObject({ startedAt: 1000, stoppedAt: now, stoppingAt: now });
  });

  it('that first says RUNNING is dated by control’s clock besides the machine’s own, once', () => {
    const pending = aTask({ lastStatus: 'PENDING', stateChangeNumber: 0 });
    const change = aTaskState({ taskArn: pending.taskArn, number: 1, lastStatus: 'RUNNING', startedAt: 4000 });
    const running = applyTaskState(pending, change, now);
    expect(running).toMatchObject({ startedAt: 4000, runningSince: now });
    const later = running && applyTaskState(running, { ...change, number: 2, healthStatus: 'HEALTHY' }, now + 1000);
    expect(later?.runningSince).toBe(now);
  });

  it.each([
    ['a replay', aTask({ stateChangeNumber: 7 }), 7],
    ['an older one', aTask({ stateChangeNumber: 7 }), 3],
    ['any one about a stopped task', aTask({ lastStatus: 'STOPPED' }), 9],
  ])('changes nothing when it is %s', (_case, task, number) => {
    expect(applyTaskState(task, aTaskState({ taskArn: task.taskArn, number }), now)).toBeUndefined();
  });
});

describe('any delivery of a history', () => {
  const statuses = ['PENDING', 'RUNNING', 'STOPPING', 'STOPPED'] as const;
  /** Snapshots as an agent makes them: numbers grow, statuses do not fall, a later one says all that an earlier one said. */
  const history = fc
    .array(fc.record({ step: fc.integer({ min: 0, max: 1 }), exit: fc.integer({ min: 0, max: 255 }) }), {
      minLength: 1,
      maxLength: 8,
    })
    .map((steps) => {
      let rank = 0;
      return steps.map(({ step, exit }, index): TaskState => {
        rank = Math.min(rank + step, 3);
        const lastStatus = statuses[rank] ?? 'STOPPED';
        const status = lastStatus === 'STOPPED' ? 'STOPPED' : 'RUNNING';
        return aTaskState({
          taskArn: 'arn:task',
          number: index + 1,
          lastStatus,
          startedAt: 100,
          executionStoppedAt: 200,
          stoppedAt: 300,
          containers: [
            { name: 'main', lastStatus: status, exitCode: exit, healthStatus: 'UNKNOWN', networkBindings: [] },
          ],
        });
      });
    });

  function deliver(changes: readonly TaskState[]): Task {
    let task = aTask({
      taskArn: 'arn:task',
      lastStatus: 'PENDING',
      containers: [aTaskContainer({ containerArn: 'c' })],
    });
    for (const change of changes) {
      const next = applyTaskState(task, change, now);
      if (next === undefined) continue;
      expect(taskStatusRank(next.lastStatus)).toBeGreaterThanOrEqual(taskStatusRank(task.lastStatus));
      expect(next.stateChangeNumber).toBeGreaterThan(task.stateChangeNumber);
      task = next;
    }
    return { ...task, version: 0, stateChangeNumber: 0 };
  }

  it('with losses of all but the newest, repetitions and detours ends like the history told once', () => {
    const deliveries = history.chain((told) => {
      const unfinished = told.slice(0, told.findIndex(({ lastStatus }) => lastStatus === 'STOPPED') + 1 || told.length);
      return fc
        .array(fc.nat({ max: unfinished.length - 1 }), { maxLength: 20 })
        .map((order) => ({ told: unfinished, order }));
    });
    fc.assert(
      fc.property(deliveries, ({ told, order }) => {
        const shuffled = order.flatMap((index) => told[index] ?? []);
        const newest = told.at(-1);
        expect(deliver([...shuffled, ...(newest === undefined ? [] : [newest])])).toEqual(deliver(told));
      }),
    );
  });
});

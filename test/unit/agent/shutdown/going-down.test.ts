import { describe, expect, it, test } from 'vitest';
import { leave, stopWhatIsLeft } from '#agent/shutdown/going-down.ts';
import type { AgentTask } from '#agent/tasks/agent-task.ts';
import { containerNameLabel, machineLabel, taskArnLabel } from '#agent/tasks/container-config.ts';
import { pauseContainerName } from '#agent/tasks/pause-container.ts';
import { silentLogger } from '#lib/logger.ts';
import type { GoingDownAnswer } from '#protocol/session/going-down.ts';
import { serveAgentSession } from '#test/support/agent-session-under-test.ts';
import { anAgentTask, anObservation, someTaskArn } from '#test/support/builders/an-agent-task.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

function aMachine(answer: Partial<GoingDownAnswer> | undefined) {
  const clock = new ManualClock();
  let tasks: AgentTask[] = [anAgentTask()];
  let isNoted = false;
  let isOver = false;
  const whole = answer && ({ type: 'goingDownAnswer', drained: true, others: 0, ...answer } as const);
  const leaving = leave({
    agent: { goingDown: () => Promise.resolve(whole), tasks: () => tasks },
    noteDrained: () => (isNoted = true),
    limitMs: 120_000,
    clock,
    logger: silentLogger,
  }).then(() => (isOver = true));
  return {
    clock,
    leaving,
    isNoted: () => isNoted,
    isOver: () => isOver,
    taskStops: () => (tasks = [{ ...anAgentTask(), stoppedAt: 1 }]),
  };
}

describe('a machine that goes down', () => {
  it('waits until its tasks have moved', async () => {
    const machine = aMachine({ others: 2 });
    await machine.clock.advance(30_000);
    expect(machine.isOver()).toBe(false);

    machine.taskStops();
    await machine.clock.advance(1000);
    expect(machine.isOver()).toBe(true);
    expect(machine.isNoted()).toBe(true);
  });

  it('waits no longer than its limit', async () => {
    const machine = aMachine({ others: 2 });
    await machine.clock.advance(119_000);
    expect(machine.isOver()).toBe(false);
    await machine.clock.advance(2000);
    expect(machine.isOver()).toBe(true);
  });

  it('does not wait where there is no other machine', async () => {
    const machine = aMachine({ others: 0 });
    await machine.clock.advance(0);
    expect([machine.isOver(), machine.isNoted()]).toEqual([true, true]);
  });

  it('does not wait without control, nor expect to have been drained', async () => {
    const machine = aMachine(undefined);
    await machine.clock.advance(0);
    expect([machine.isOver(), machine.isNoted()]).toEqual([true, false]);
  });

  it('notes nothing when it was not ACTIVE: who drained it says when that ends', async () => {
    const machine = aMachine({ drained: false });
    await machine.clock.advance(0);
    expect(machine.isNoted()).toBe(false);
  });
});

describe('what is left when a machine goes down', () => {
  it('gets its stop timeout, and its network is the last to go', async () => {
    const stops: string[] = [];
    const own = (id: string, name: string) =>
      anObservation({ id, labels: { [machineLabel]: 'm-1', [taskArnLabel]: someTaskArn, [containerNameLabel]: name } });
    await stopWhatIsLeft({
      engine: {
        list: (labels) => {
          expect(labels).toEqual({ [machineLabel]: 'm-1' });
          return Promise.resolve([own('pause', pauseContainerName), own('slow', 'slow'), own('app', 'app')]);
        },
        stop: async (id, options) => void stops.push(`${id} ${options?.timeoutSeconds}`),
      },
      machineId: 'm-1',
      tasks: [anAgentTask({ containers: [{ name: 'slow', stopTimeout: 90 }, { name: 'app' }] })],
      defaultStopTimeout: 30,
      limitMs: 120_000,
      clock: new ManualClock(),
      logger: silentLogger,
    });
    expect(stops).toEqual(['slow 90', 'app 30', 'pause 30']);
  });

  it('is left to the engine when the engine does not do it in time', async () => {
    const clock = new ManualClock();
    const warnings: string[] = [];
    const stopping = stopWhatIsLeft({
      engine: { list: () => new Promise(() => undefined), stop: () => Promise.resolve() },
      machineId: 'm-1',
      tasks: [],
      defaultStopTimeout: 30,
      limitMs: 120_000,
      clock,
      logger: { ...silentLogger, warn: (_, message) => warnings.push(message) },
    });
    await clock.advance(120_000);
    await stopping;
    expect(warnings).toEqual(['the engine ends what is left']);
  });
});

test('a session passes on that the machine goes down, and the answer', async () => {
  const { clock, control, session } = await serveAgentSession();
  const answer = session.goingDown();
  await clock.advance(0);
  expect(control.all('goingDown')).toHaveLength(1);
  control.send({ type: 'goingDownAnswer', drained: true, others: 3 });
  await clock.advance(0);
  expect(await answer).toEqual({ type: 'goingDownAnswer', drained: true, others: 3 });
  session.stop();
});

test('without an answer, or without a session, a machine goes down all the same', async () => {
  const { clock, session } = await serveAgentSession();
  const answer = session.goingDown();
  await clock.advance(4000);
  expect(await answer).toBeUndefined();
  session.stop();
  expect(await session.goingDown()).toBeUndefined();
});

/**
 * Control away while tasks crash, or while its answers are lost, and an agent that stands still itself: every end arrives once, in order, with its own
 * code and time; until it has, nothing of it is removed. An hour is shortened to seconds; the back-off of reconnects over hours is
 * test/unit/agent/session/connection.test.ts.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TaskState } from '#protocol/session/messages.ts';
import { openAgentProcess, type AgentProcess } from '#test/support/agent-process.ts';
import { programs } from '#test/support/container-programs.ts';
import { eventually } from '#test/support/real-cell.ts';
import { testImage } from '#test/support/test-images.ts';

const environment = { ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION: '1s' };
let agent: AgentProcess;

beforeEach(async () => {
  agent = await openAgentProcess();
  agent.start(environment);
});

afterEach(() => agent.close());

const is = (status: TaskState['lastStatus']) => (state: TaskState) => state.lastStatus === status;

async function running(command: readonly string[]): Promise<string> {
  const app = { name: 'app', image: testImage, memory: 32, command: [...command], stopTimeout: 3 };
  const task = agent.control.run({ containerDefinitions: [app] });
  await agent.untilUp(task);
  return task;
}

/** Ends with this code when it is told to. */
function crashing(exitCode: number): string[] {
  return ['/bin/sh', '-c', `trap 'exit ${exitCode}' USR1; while :; do sleep 1 & wait $!; done`];
}

async function crash(task: string): Promise<void> {
  for (const { id } of await agent.containers(task)) await agent.engine.kill(id, 'SIGUSR1');
}

async function endOf(task: string): Promise<number> {
  return eventually('the end of a container', async () => {
    const [container] = await agent.containers(task);
    return container?.state === 'exited' && container.finishedAt;
  });
}

function tellings(task: string): TaskState[] {
  return agent.control.history(task).filter(is('STOPPED'));
}

describe('while control is away', () => {
  it('what crashes is told when it is back: each once, in order, with its own code and time, whatever became of the agent', async () => {
    const codes = [0, 1, 3, 7, 42, 255];
    const stays = await running(programs.serves.command);
    const crashes = await Promise.all(codes.map(async (code) => ({ code, task: await running(crashing(code)) })));
    const before = await agent.containers(stays);
    const lastBefore = agent.control.arrived.at(-1)?.number ?? 0;

    await agent.control.goAway();
    const ends = new Map<string, number>();
    for (const [index, { task }] of crashes.entries()) {
      await crash(task);
      ends.set(task, await endOf(task));
      // The second half happens in another life of the agent, one of them before it.
      if (index === 2) await agent.kill();
      if (index === 3) agent.start(environment);
    }
    // Twice the time for which remains are kept, and nothing of them may be gone.
    await eventually('that time', async () => (ends.get(crashes.at(-1)?.task ?? '') ?? 0) + 2000 < Date.now());
    for (const { task } of crashes) expect(await agent.containers(task)).toHaveLength(1);
    await agent.control.comeBack();

    for (const { task, code } of crashes) {
      const stopped = await agent.control.until(task, is('STOPPED'), 60_000);
      expect(stopped).toMatchObject({ stopCode: 'EssentialContainerExited', containers: [{ exitCode: code }] });
      expect(stopped.executionStoppedAt).toBe(ends.get(task));
    }
    for (const { task } of crashes) {
      await eventually('the removal', async () => (await agent.containers(task)).length === 0);
      expect(tellings(task)).toHaveLength(1);
    }
    const numbers = agent.control.arrived.map(({ number }) => number).filter((number) => number > lastBefore);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(await agent.containers(stays)).toEqual(before);
  });
});

describe('an acknowledgement', () => {
  it('that is lost leads to the same telling again in the next session, and nothing is removed before one comes', async () => {
    const task = await running(crashing(3));
    agent.control.acknowledges(false);
    await crash(task);
    const first = await agent.control.until(task, is('STOPPED'));
    await agent.control.goAway();
    await agent.control.comeBack();
    agent.control.acknowledges(true);
    await eventually('the second telling', async () => tellings(task).length === 2);
    expect(tellings(task)).toEqual([first, first]);
    await eventually('the removal', async () => (await agent.containers(task)).length === 0);
    expect(tellings(task)).toHaveLength(2);
  });
});

describe('an agent that stands still', () => {
  it('misses nothing that happens meanwhile', async () => {
    const [stays, crashes] = [await running(programs.serves.command), await running(crashing(7))];
    const pid = agent.pid();
    process.kill(pid, 'SIGSTOP');
    await crash(crashes);
    await endOf(crashes);
    agent.control.stop(stays);
    process.kill(pid, 'SIGCONT');
    expect((await agent.control.until(crashes, is('STOPPED'))).containers[0]?.exitCode).toBe(7);
    expect((await agent.control.until(stays, is('STOPPED'))).containers[0]?.exitCode).toBe(143);
    expect([agent.isRunning(), agent.pid()]).toEqual([true, pid]);
  });
});

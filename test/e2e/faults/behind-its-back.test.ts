/** Containers that others stop, start, restart or remove behind the agent's back. What is told is what is so, and nothing that is over goes on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskState } from '#protocol/session/messages.ts';
import { openAgentProcess, type AgentProcess } from '#test/support/agent-process.ts';
import { programs } from '#test/support/container-programs.ts';
import { recordEngine, type EngineRecorder } from '#test/support/engine-recorder.ts';
import { eventually } from '#test/support/real-cell.ts';
import { testImage } from '#test/support/test-images.ts';

let agent: AgentProcess;
let recorder: EngineRecorder;

beforeAll(async () => {
  agent = await openAgentProcess();
  recorder = await recordEngine(agent.engine);
  agent.start();
});

afterAll(async () => {
  await recorder.close();
  await agent.close();
});

const is = (status: TaskState['lastStatus']) => (state: TaskState) => state.lastStatus === status;
const command = [...programs.serves.command];

/** A task that runs, and the id of its container. */
async function running(): Promise<{ task: string; id: string }> {
  const app = { name: 'app', image: testImage, memory: 32, command, stopTimeout: 3 };
  const task = agent.control.run({ containerDefinitions: [app] });
  const { containers } = await agent.untilUp(task);
  return { task, id: containers[0]?.runtimeId ?? '' };
}

/** That a container writes to its standard output. */
async function firstLine(id: string): Promise<string | undefined> {
  for await (const { stream, text } of agent.engine.logs(id, { follow: true, signal: AbortSignal.timeout(30_000) })) {
    if (stream === 'stdout') return text.trim();
  }
  return undefined;
}

describe('a container', () => {
  it('stopped behind its back ends its task at once, with the exit code', async () => {
    const { task, id } = await running();
    await agent.engine.stop(id, { timeoutSeconds: 3 });
    const stopped = await agent.control.until(task, is('STOPPED'), 5000);
    expect(stopped).toMatchObject({ stopCode: 'EssentialContainerExited', containers: [{ exitCode: 143 }] });
  });

  it('removed behind its back ends its task at once, and is not made again', async () => {
    const { task, id } = await running();
    await agent.engine.remove(id);
    expect(await agent.control.until(task, is('STOPPED'), 5000)).toMatchObject({
      stopCode: 'EssentialContainerExited',
    });
    await recorder.untilGone(task);
    expect(recorder.lifeOf(task)).toEqual(['create', 'start', 'die', 'destroy']);
  });

  it('started again after its end is stopped once more, and only once', async () => {
    const { task, id } = await running();
    agent.control.stop(task);
    await agent.control.until(task, is('STOPPED'));
    await agent.engine.start(id);
    await eventually('the second end', async () => recorder.lifeOf(task).filter((turn) => turn === 'die').length === 2);
    expect(recorder.lifeOf(task)).toEqual(['create', 'start', 'die', 'start', 'die']);
    await agent.engine.start(id);
    // The end of a task that comes after all this is told, so the agent has seen that start.
    const later = await running();
    agent.control.stop(later.task);
    await agent.control.until(later.task, is('STOPPED'));
    expect(await agent.engine.inspect(id)).toMatchObject({ state: 'running' });
    expect(agent.control.history(task).filter(is('STOPPED'))).toHaveLength(1);
  });

  it('restarted behind its back either goes on with its task or is over with it', async () => {
    const { task, id } = await running();
    await agent.engine.stop(id, { timeoutSeconds: 3 });
    await agent.engine.start(id);
    await eventually('agreement', async () => {
      const told = agent.control.history(task).at(-1)?.lastStatus;
      const state = (await agent.engine.inspect(id))?.state;
      const isSettled = recorder.lifeOf(task).length === (told === 'STOPPED' ? 5 : 4);
      return isSettled && (told === 'STOPPED' ? state === 'exited' : told === 'RUNNING' && state === 'running');
    });
    expect(await agent.containers(task)).toHaveLength(1);
  });

  it('restarted while the agent is away is taken over as it is', async () => {
    const { task, id } = await running();
    await agent.kill();
    await agent.engine.stop(id, { timeoutSeconds: 3 });
    await agent.engine.start(id);
    agent.start();
    // What was assigned later is begun only when all that ran has been looked at.
    await running();
    expect(agent.control.history(task).map(({ lastStatus }) => lastStatus)).not.toContain('STOPPED');
    agent.control.stop(task);
    expect((await agent.control.until(task, is('STOPPED'))).containers[0]?.exitCode).toBe(143);
    expect(recorder.lifeOf(task)).toEqual(['create', 'start', 'die', 'start', 'die']);
  });
});

describe('the child of a container', () => {
  it('killed for its memory ends neither container nor task, and is not the reason of a later end', async () => {
    const childEats = `trap 'exit 0' TERM; (x=a; while :; do x=$x$x; done); echo ended with $?; while :; do sleep 1 & wait $!; done`;
    const app = { name: 'app', image: testImage, memory: 32, command: ['/bin/sh', '-c', childEats], stopTimeout: 3 };
    const task = agent.control.run({ containerDefinitions: [app] });
    const { containers } = await agent.untilUp(task);
    const id = containers[0]?.runtimeId ?? '';
    expect(await firstLine(id)).toBe('ended with 137');
    expect(await agent.engine.inspect(id)).toMatchObject({ state: 'running' });
    // Looked at anew by another life of the agent, with the flag set.
    await agent.kill();
    agent.start();
    await running();
    expect(agent.control.history(task).map(({ lastStatus }) => lastStatus)).not.toContain('STOPPED');
    agent.control.stop(task);
    const stopped = await agent.control.until(task, is('STOPPED'));
    expect(stopped).toMatchObject({ stopCode: 'UserInitiated', containers: [{ exitCode: 0 }] });
    expect((await agent.engine.inspect(id))?.oomKilled).toBe(true);
    expect(stopped.containers[0]).not.toHaveProperty('reason');
  });
});

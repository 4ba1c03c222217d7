/** A dockerd that accepts and never answers, that loses its event stream, or that cannot carry out a stop. */
import { describe, expect, it } from 'vitest';
import type { ContainerDefinition } from '#model/container-definition.ts';
import type { TaskState } from '#protocol/session/messages.ts';
import { openAgentProcess, type AgentProcess } from '#test/support/agent-process.ts';
import { programs } from '#test/support/container-programs.ts';
import { openEngineProxy, type EngineProxy } from '#test/support/engine-proxy.ts';
import { recordEngine } from '#test/support/engine-recorder.ts';
import { eventually } from '#test/support/real-cell.ts';
import { testImage } from '#test/support/test-images.ts';

const is = (status: TaskState['lastStatus']) => (state: TaskState) => state.lastStatus === status;

function serving(): { containerDefinitions: ContainerDefinition[] } {
  const command = [...programs.serves.command];
  return { containerDefinitions: [{ name: 'app', image: testImage, memory: 32, command, stopTimeout: 3 }] };
}

async function withProxy(test: (agent: AgentProcess, proxy: EngineProxy) => Promise<void>): Promise<void> {
  const proxy = await openEngineProxy();
  const agent = await openAgentProcess({ agentDockerHost: proxy.host, heartbeatIntervalMs: 500 });
  try {
    agent.start({ ECS_CONTAINER_START_TIMEOUT: '45s' });
    await test(agent, proxy);
    expect(agent.isRunning()).toBe(true);
  } finally {
    proxy.goOn();
    await agent.close();
    await proxy.close();
  }
}

async function running(agent: AgentProcess): Promise<string> {
  const task = agent.control.run(serving());
  await agent.untilUp(task);
  return task;
}

function statuses({ control }: AgentProcess, task: string): TaskState['lastStatus'][] {
  return control.history(task).map(({ lastStatus }) => lastStatus);
}

describe.concurrent('a dockerd that accepts and never answers', () => {
  it.each([
    ['answers at last', () => undefined],
    ['is ended and started again', (proxy: EngineProxy) => proxy.cut()],
  ])('costs no task and no session; when it %s, what was wanted meanwhile is done', async (_, end) => {
    await withProxy(async (agent, proxy) => {
      const [stays, leaves, dies] = [await running(agent), await running(agent), await running(agent)];
      const before = await agent.containers(stays);
      const sessions = agent.control.registrations();

      proxy.hang();
      agent.control.stop(leaves);
      const comes = agent.control.run(serving());
      await agent.engine.kill((await agent.containers(dies))[0]?.id ?? '', 'SIGKILL');
      // A sign of life is asked for every 30 s, and waited for 5 s.
      const { reason } = await agent.control.untilHealth(({ status }) => status === 'IMPAIRED', 40_000);
      expect(reason).toMatch(/^the container engine does not answer/);
      const beats = agent.control.heartbeats();
      await eventually('further heartbeats', async () => agent.control.heartbeats() > beats + 4, 10_000);
      expect(agent.control.registrations()).toBe(sessions);
      for (const task of [stays, leaves, dies, comes]) expect(statuses(agent, task)).not.toContain('STOPPED');
      expect(statuses(agent, comes)).not.toContain('RUNNING');

      end(proxy);
      proxy.goOn();
      await agent.control.until(comes, is('RUNNING'));
      expect((await agent.control.until(leaves, is('STOPPED'))).containers[0]?.exitCode).toBe(143);
      expect((await agent.control.until(dies, is('STOPPED'))).containers[0]?.exitCode).toBe(137);
      await agent.control.untilHealth(({ status }) => status === 'OK', 40_000);
      expect(await agent.containers(stays)).toEqual(before);
      expect(await agent.containers(comes)).toHaveLength(1);
    });
  });

  it('to a start is waited for as long as a start may take; the container it brought up is ended', async () => {
    await withProxy(async (agent, proxy) => {
      const recorder = await recordEngine(agent.engine);
      const hung = proxy.standstill('after', ({ kind }) => kind === 'start');
      const task = agent.control.run(serving());
      await hung;
      const others = await running(agent);
      const stopped = await agent.control.until(task, is('STOPPED'), 60_000);
      expect(stopped).toMatchObject({
        stopCode: 'TaskFailedToStart',
        stoppedReason: expect.stringMatching(/^DockerTimeoutError: start of container .* took longer than 45 s/),
      });
      expect(await agent.containers(task)).toMatchObject([{ state: 'exited' }]);
      expect(recorder.lifeOf(task)).toEqual(['create', 'start', 'die']);
      expect(statuses(agent, others)).not.toContain('STOPPED');
      await recorder.close();
    });
  });
});

describe.concurrent('a dockerd', () => {
  it('whose connections break hides no end of a container', async () => {
    await withProxy(async (agent, proxy) => {
      const [stays, dies] = [await running(agent), await running(agent)];
      proxy.cut();
      await agent.engine.kill((await agent.containers(dies))[0]?.id ?? '', 'SIGKILL');
      expect((await agent.control.until(dies, is('STOPPED'), 15_000)).containers[0]?.exitCode).toBe(137);
      expect(statuses(agent, stays)).not.toContain('STOPPED');
    });
  });

  it('that cannot end a container is asked five times; then the task is over, with that as the reason', async () => {
    await withProxy(async (agent, proxy) => {
      const task = await running(agent);
      proxy.refuse('stop', 'tried to kill container, but did not receive an exit event');
      agent.control.stop(task);
      const stopped = await agent.control.until(task, is('STOPPED'), 45_000);
      expect(stopped.containers[0]?.reason).toMatch(/^CannotStopContainerError: tried to kill container/);
      expect(proxy.calls.filter(({ kind }) => kind === 'stop')).toHaveLength(5);
      proxy.refuse('stop', undefined);
      await running(agent);
    });
  });
});

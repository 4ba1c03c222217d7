/** A restart of dockerd with and without live-restore, kill -9 of dockerd and of containerd, and a power cut: each on an engine of the test's own. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ContainerDefinition } from '#model/container-definition.ts';
import type { ContainerObservation } from '#agent/tasks/container-spec.ts';
import type { TaskState } from '#protocol/session/messages.ts';
import { openAgentProcess, type AgentProcess } from '#test/support/agent-process.ts';
import { programs } from '#test/support/container-programs.ts';
import { startOwnEngine, type OwnEngine } from '#test/support/own-engine.ts';
import { eventually } from '#test/support/real-cell.ts';
import { testImage } from '#test/support/test-images.ts';

const is = (status: TaskState['lastStatus']) => (state: TaskState) => state.lastStatus === status;

function container(changes: Partial<ContainerDefinition> = {}): { containerDefinitions: ContainerDefinition[] } {
  const app = { name: 'app', image: testImage, memory: 32, command: [...programs.serves.command], stopTimeout: 3 };
  return { containerDefinitions: [{ ...app, ...changes }] };
}

/** By label also after a short run. */
const restarting: Partial<ContainerDefinition> = {
  restartPolicy: { enabled: true, restartAttemptPeriod: 60 },
  dockerLabels: { 'berth.restart-attempts': '5' },
};

async function withEngine(
  name: string,
  flags: readonly string[],
  test: (agent: AgentProcess, engine: OwnEngine) => Promise<void>,
): Promise<void> {
  const engine = await startOwnEngine(name, flags);
  try {
    const agent = await openAgentProcess({ dockerHost: engine.host, heartbeatIntervalMs: 500 });
    try {
      agent.start();
      const pid = agent.pid();
      await test(agent, engine);
      expect(agent.isRunning()).toBe(true);
      if (!name.includes('power')) expect(agent.pid()).toBe(pid);
    } finally {
      await agent.close();
    }
  } finally {
    await engine.close();
  }
}

async function runningContainer(agent: AgentProcess, task: string): Promise<ContainerObservation> {
  await agent.untilUp(task);
  const [found] = await agent.containers(task);
  if (found === undefined) throw new Error(`no container of ${task}`);
  return found;
}

/** Told once that it is over, with what the engine says of its end. */
async function expectEndedOnce(agent: AgentProcess, task: string): Promise<TaskState> {
  const stopped = await agent.control.until(task, is('STOPPED'));
  const [left] = await agent.containers(task);
  expect(left).toMatchObject({ state: 'exited', exitCode: stopped.containers[0]?.exitCode });
  expect(agent.control.history(task).filter(is('STOPPED'))).toHaveLength(1);
  return stopped;
}

/** What was told of it, but for its start. */
function sinceRunning({ control }: AgentProcess, task: string): TaskState['lastStatus'][] {
  return control
    .history(task)
    .map(({ lastStatus }) => lastStatus)
    .filter((status) => status !== 'PENDING');
}

/** Resources are free and the engine is used again. */
async function expectNewTasksRun(agent: AgentProcess): Promise<void> {
  await agent.untilUp(agent.control.run(container()));
}

async function untilNoticed({ control }: AgentProcess): Promise<void> {
  const { reason } = await control.untilHealth(({ status }) => status === 'IMPAIRED');
  expect(reason).toMatch(/^the container engine cannot be reached/);
}

describe.concurrent('with live-restore', () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'a restart of dockerd after %s stops nothing, and what happened meanwhile is told as it was',
    async (signal) => {
      await withEngine(`live-${signal.toLowerCase()}`, ['--live-restore'], async (agent, engine) => {
        const [stays, ends, leaves] = [container(), container(), container()].map(agent.control.run);
        const before = await runningContainer(agent, stays ?? '');
        const { pid = 0 } = await runningContainer(agent, ends ?? '');
        await runningContainer(agent, leaves ?? '');

        await engine.stop(signal);
        await untilNoticed(agent);
        process.kill(pid, 'SIGKILL');
        agent.control.stop(leaves ?? '');
        await engine.start();

        await expectEndedOnce(agent, ends ?? '');
        expect((await expectEndedOnce(agent, leaves ?? '')).containers[0]?.exitCode).toBe(143);
        await agent.control.untilHealth(({ status }) => status === 'OK');
        await expectNewTasksRun(agent);
        expect(await agent.containers(stays)).toEqual([before]);
        expect(sinceRunning(agent, stays ?? '')).toEqual(['RUNNING']);
      });
    },
  );

  it('kill -9 of containerd stops nothing, and tasks can be started and stopped again when it is back', async () => {
    await withEngine('containerd', ['--live-restore'], async (agent, engine) => {
      const stays = agent.control.run(container());
      const before = await runningContainer(agent, stays);
      await engine.killContainerd();
      const unlucky = agent.control.run(container());
      const failed = await agent.control.until(unlucky, is('STOPPED'), 60_000);
      expect(failed).toMatchObject({
        stopCode: 'TaskFailedToStart',
        stoppedReason: expect.stringMatching(/^CannotStartContainerError: /),
      });
      await engine.startContainerd();
      await eventually('a start', async () => {
        const task = agent.control.run(container());
        const state = await agent.control.until(task, ({ lastStatus }) => lastStatus !== 'PENDING');
        return state.lastStatus === 'RUNNING';
      });
      expect(await agent.containers(stays)).toEqual([before]);
      agent.control.stop(stays);
      expect((await expectEndedOnce(agent, stays)).containers[0]?.exitCode).toBe(143);
    });
  });
});

describe.concurrent('without live-restore', () => {
  it('a restart of dockerd ends the containers, which is told once, and a restart policy brings its own back', async () => {
    await withEngine('plain', [], async (agent, engine) => {
      const [ends, returns] = [container(), container(restarting)].map(agent.control.run);
      await runningContainer(agent, ends ?? '');
      const { id } = await runningContainer(agent, returns ?? '');
      await engine.stop('SIGTERM');
      await engine.start();
      const stopped = await expectEndedOnce(agent, ends ?? '');
      expect(stopped).toMatchObject({ stopCode: 'EssentialContainerExited', containers: [{ exitCode: 143 }] });
      const [again] = await eventually('the restart', async () => {
        const seen = await agent.containers(returns);
        return seen[0]?.state === 'running' && seen;
      });
      expect(again?.id).toBe(id);
      expect(agent.control.history(returns ?? '').map(({ lastStatus }) => lastStatus)).not.toContain('STOPPED');
      await expectNewTasksRun(agent);
    });
  });

  it('kill -9 of dockerd ends the containers at its next start, which is told once', async () => {
    await withEngine('killed', [], async (agent, engine) => {
      const ends = agent.control.run(container());
      const { pid = 0 } = await runningContainer(agent, ends);
      await engine.stop('SIGKILL');
      await untilNoticed(agent);
      // Until the next dockerd ends it, it runs: nothing may be told of it.
      expect(process.kill(pid, 0)).toBe(true);
      expect(sinceRunning(agent, ends)).toEqual(['RUNNING']);
      await engine.start();
      expect(await expectEndedOnce(agent, ends)).toMatchObject({ stopCode: 'EssentialContainerExited' });
      await expectNewTasksRun(agent);
    });
  });

  it('a power cut of the machine is told as the end of what ran, once, and the machine takes tasks again', async () => {
    await withEngine('power', [], async (agent, engine) => {
      const tasks = [agent.control.run(container()), agent.control.run(container())];
      const running = await Promise.all(tasks.map((task) => runningContainer(agent, task)));
      await Promise.all([agent.kill(), engine.stop('SIGKILL'), engine.killContainerd()]);
      for (const { pid = 0 } of running) for (const victim of [parentOf(pid), pid]) process.kill(victim, 'SIGKILL');
      await engine.startContainerd();
      await engine.start();
      agent.start();
      for (const task of tasks) await expectEndedOnce(agent, task);
      await expectNewTasksRun(agent);
    });
  });
});

/** The shim that looks after a container's first process. */
function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/**
 * Restarts in place on the real engine. The agent is steered directly, because the shortest `restartAttemptPeriod` that can be registered is a minute.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#lib/clock.ts';
import { openAgentProcess, type AgentProcess } from '#test/support/agent-process.ts';
import { recordEngine } from '#test/support/engine-recorder.ts';
import { programs } from '#test/support/container-programs.ts';
import { testImage } from '#test/support/test-images.ts';
import { eventually } from '#test/support/real-cell.ts';
import type { ContainerDefinition } from '#model/container-definition.ts';

let agent: AgentProcess;
beforeAll(async () => {
  agent = await openAgentProcess();
  agent.start();
});
afterAll(() => agent.close());

/** Counts its runs in its own file system and exits with that number. */
function counting(
  stays: number,
  changes: Partial<ContainerDefinition>,
): { containerDefinitions: ContainerDefinition[] } {
  const script = `echo run >> /runs; sleep ${stays}; exit $(wc -l < /runs)`;
  return {
    containerDefinitions: [
      { name: 'app', image: testImage, memory: 32, command: ['/bin/sh', '-c', script], ...changes },
    ],
  };
}

async function end(taskArn: string) {
  const state = await agent.control.until(taskArn, ({ lastStatus }) => lastStatus === 'STOPPED');
  return { state, container: state.containers[0] };
}

describe('a restart policy', () => {
  it('starts the same container again, with its files, until it exits with a code that is ignored', async () => {
    const restartPolicy = { enabled: true, restartAttemptPeriod: 1, ignoredExitCodes: [3] };
    const { container } = await end(agent.control.run(counting(1.5, { restartPolicy })));
    expect(container?.exitCode).toBe(3);
  });

  it('does not start a container again that lived too short', async () => {
    const restartPolicy = { enabled: true, restartAttemptPeriod: 60 };
    const { container } = await end(agent.control.run(counting(0, { restartPolicy })));
    expect(container?.exitCode).toBe(1);
  });

  it('does not start a container again that somebody removed, so that an owner can end what control has forgotten', async () => {
    const recorder = await recordEngine(agent.engine);
    const restartPolicy = { enabled: true, restartAttemptPeriod: 1 };
    const app = { name: 'app', image: testImage, memory: 32, command: [...programs.serves.command], restartPolicy };
    const taskArn = agent.control.run({ containerDefinitions: [app] });
    const { containers } = await agent.untilUp(taskArn);
    const id = containers[0]?.runtimeId ?? '';
    const { startedAt = 0 } = (await agent.engine.inspect(id)) ?? {};
    await eventually('a life that is worth another start', async () => systemClock.now() - startedAt > 1000);
    await agent.engine.remove(id);
    const { state } = await end(taskArn);
    expect(state.stopCode).toBe('EssentialContainerExited');
    await recorder.untilGone(taskArn);
    expect(recorder.lifeOf(taskArn)).toEqual(['create', 'start', 'die', 'destroy']);
    await recorder.close();
  });

  it('tries that too as often as the container asks, each time later, also over the death of the agent', async () => {
    const restartPolicy = { enabled: true, restartAttemptPeriod: 60 };
    const dockerLabels = { 'berth.restart-attempts': '3' };
    const taskArn = agent.control.run(counting(0, { restartPolicy, dockerLabels }));
    const begun = performance.now();
    await agent.control.until(taskArn, ({ lastStatus }) => lastStatus === 'RUNNING');
    await eventually('a restart that is due', async () => (await agent.containers(taskArn))[0]?.state === 'exited');
    await agent.kill();
    agent.start();
    const { state, container } = await end(taskArn);
    expect(container?.exitCode).toBe(4);
    expect(state.stopCode).toBe('EssentialContainerExited');
    expect(performance.now() - begun).toBeGreaterThan(1000 + 2000 + 4000);
  });
});

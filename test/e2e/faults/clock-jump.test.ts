/** The agent's wall clock jumps by a day, forwards or backwards, while tasks start, wait, restart and run: nobody is stopped for it and nobody waits a day. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '#lib/clock.ts';
import type { ContainerDefinition } from '#model/container-definition.ts';
import type { TaskState } from '#protocol/session/messages.ts';
import { openAgentProcess, type AgentProcess } from '#test/support/agent-process.ts';
import { programs } from '#test/support/container-programs.ts';
import { openEngineProxy, type EngineProxy } from '#test/support/engine-proxy.ts';
import { recordEngine, type EngineRecorder } from '#test/support/engine-recorder.ts';
import { withShiftedClock } from '#test/support/preloads.ts';
import { eventually } from '#test/support/real-cell.ts';
import { testImage } from '#test/support/test-images.ts';

const dayMs = 24 * 60 * 60_000;
const is = (status: TaskState['lastStatus']) => (state: TaskState) => state.lastStatus === status;

function container(name: string, changes: Partial<ContainerDefinition> = {}): ContainerDefinition {
  return { name, image: testImage, memory: 32, command: [...programs.serves.command], stopTimeout: 3, ...changes };
}

/** Fails four times, then serves; started again after 1, 2, 4 and 8 s. */
const failsAtFirst = container('app', {
  command: ['/bin/sh', '-c', `echo >> /tries; [ $(wc -l < /tries) -gt 4 ] || exit 1; ${programs.serves.command[2]}`],
  restartPolicy: { enabled: true, restartAttemptPeriod: 60 },
  dockerLabels: { 'berth.restart-attempts': '9' },
});

/** Healthy after the first check, 5 s after its start. */
const slowToBeHealthy = container('db', {
  essential: false,
  healthCheck: { command: ['CMD', '/bin/true'], interval: 5 },
  startTimeout: 60,
});

async function withClock(
  test: (
    agent: AgentProcess,
    recorder: EngineRecorder,
    jump: (ms: number) => void,
    proxy: EngineProxy,
  ) => Promise<void>,
): Promise<void> {
  const proxy = await openEngineProxy();
  const agent = await openAgentProcess({ agentDockerHost: proxy.host, heartbeatIntervalMs: 500 });
  const recorder = await recordEngine(agent.engine);
  const clock = join(agent.folder, 'clock-shift');
  const jump = (ms: number) => writeFileSync(clock, String(ms));
  jump(0);
  try {
    agent.start({ ...withShiftedClock(clock), ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION: '1h' });
    await test(agent, recorder, jump, proxy);
  } finally {
    await recorder.close();
    await agent.close();
    await proxy.close();
  }
}

describe.concurrent('a clock that jumps a day', () => {
  it.each([
    ['forwards', dayMs],
    ['backwards', -dayMs],
  ])('%s ends no task and no session, and what waits for its time waits no longer', async (_, shiftMs) => {
    await withClock(async (agent, recorder, jump, proxy) => {
      const run = (...containerDefinitions: ContainerDefinition[]) => agent.control.run({ containerDefinitions });
      const [stays, ended, leaves] = [run(container('app')), run(container('app')), run(container('app'))];
      for (const task of [stays, ended, leaves]) await agent.untilUp(task);
      agent.control.stop(ended);
      await agent.control.until(ended, is('STOPPED'));
      const before = await agent.containers(stays);
      const restarts = run(failsAtFirst);
      const starts = (task: string) => recorder.lifeOf(task).filter((turn) => turn === 'start').length;
      const ends = (task: string) => recorder.lifeOf(task).filter((turn) => turn === 'die').length;
      await eventually('the longest wait for a restart', async () => ends(restarts) === 4);
      const waits = run(
        slowToBeHealthy,
        // Its end makes the agent look at the task while the other one is not healthy yet.
        container('side', { essential: false, command: ['/bin/sleep', '3'] }),
        container('app', { dependsOn: [{ containerName: 'db', condition: 'HEALTHY' }] }),
      );
      await eventually('a start that others wait for', async () => starts(waits) === 2);
      // By then the agent has noticed both.
      const beatsBefore = agent.control.heartbeats();
      await eventually('a heartbeat', async () => agent.control.heartbeats() > beatsBefore + 1);
      expect([starts(restarts), starts(waits), ends(waits)]).toEqual([4, 2, 0]);
      const sessions = agent.control.registrations();

      jump(shiftMs);
      const beats = agent.control.heartbeats();
      await eventually('heartbeats by the new clock', async () => agent.control.heartbeats() > beats + 4);

      agent.control.stop(leaves);
      const left = await agent.control.until(leaves, is('STOPPED'));
      expect(left.containers[0]?.exitCode).toBe(143);
      expect(Math.round(((left.stoppedAt ?? 0) - systemClock.now()) / dayMs)).toBe(shiftMs / dayMs);
      await eventually('the last restart', async () => starts(restarts) === 5);
      await agent.control.until(waits, is('RUNNING'));
      // A step that could not be carried out is tried again in seconds by either clock.
      proxy.refuse('stop', 'busy');
      agent.control.stop(stays);
      await eventually('two tries', async () => proxy.calls.filter(({ kind }) => kind === 'stop').length > 4);
      proxy.refuse('stop', undefined);
      expect((await agent.control.until(stays, is('STOPPED'))).containers[0]?.exitCode).toBe(143);

      for (const task of [restarts, waits]) expect(agent.control.history(task).some(is('STOPPED'))).toBe(false);
      expect(await agent.containers(ended)).toHaveLength(1);
      expect((await agent.containers(stays))[0]?.id).toBe(before[0]?.id);
      expect(agent.control.registrations()).toBe(sessions);
      expect(agent.isRunning()).toBe(true);
    });
  });
});

/** kill -9 and restarts of a real agent: containers stay, nothing is made twice, nothing is lost, nothing is left. */
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#lib/clock.ts';
import { int, seededRandom } from '#lib/random.ts';
import type { TaskState } from '#protocol/session/messages.ts';
import { openAgentProcess, type AgentProcess } from '#test/support/agent-process.ts';
import { programs } from '#test/support/container-programs.ts';
import { testImage } from '#test/support/test-images.ts';

let agent: AgentProcess;

beforeEach(async () => {
  agent = await openAgentProcess();
});

afterEach(() => agent.close());

const definition = {
  containerDefinitions: [
    { name: 'app', image: testImage, memory: 32, command: [...programs.serves.command], stopTimeout: 2 },
  ],
};
const is = (status: TaskState['lastStatus']) => (state: TaskState) => state.lastStatus === status;

describe('an agent', () => {
  it('killed at random moments while tasks start and stop makes each container once and loses none', async () => {
    const random = seededRandom(7);
    const kept: string[] = [];
    const stopped: string[] = [];
    for (let round = 0; round < 6; round++) {
      agent.start();
      kept.push(agent.control.run(definition));
      const leaving = agent.control.run(definition);
      stopped.push(leaving);
      await systemClock.sleep(int(random, 300, 1500));
      agent.control.stop(leaving);
      await systemClock.sleep(int(random, 0, 500));
      await agent.kill();
    }
    agent.start();
    for (const task of kept) await agent.control.until(task, is('RUNNING'), 60_000);
    for (const task of stopped) await agent.control.until(task, is('STOPPED'), 60_000);
    const containers = await agent.containers();
    const running = containers
      .filter(({ state }) => state === 'running')
      .map(({ labels }) => labels['com.amazonaws.ecs.task-arn']);
    expect(new Set(running)).toEqual(new Set(kept));
    expect(running).toHaveLength(kept.length);
    for (const task of kept) {
      expect((await agent.containers(task)).length).toBe(1);
      expect(agent.control.history(task).map(({ lastStatus }) => lastStatus)).not.toContain('STOPPED');
    }
  });

  it('stopped in order touches nothing, exits with 0, and takes over what it finds', async () => {
    agent.start();
    const [stays, ends, vanishes] = [
      agent.control.run(definition),
      agent.control.run(definition),
      agent.control.run(definition),
    ];
    for (const task of [stays, ends, vanishes]) await agent.control.until(task, is('RUNNING'));
    const before = await agent.containers(stays);
    expect(await agent.stop()).toBe(0);
    expect(await agent.containers(stays)).toEqual(before);
    await agent.engine.kill((await agent.containers(ends))[0]?.id ?? '', 'SIGKILL');
    await agent.engine.remove((await agent.containers(vanishes))[0]?.id ?? '');
    agent.start();
    expect((await agent.control.until(ends, is('STOPPED'))).containers[0]?.exitCode).toBe(137);
    const gone = await agent.control.until(vanishes, is('STOPPED'));
    expect(gone.containers[0]?.reason).toMatch(/^ContainerVanishedError/);
    expect(await agent.containers(stays)).toEqual(before);
    expect(agent.control.history(stays)).toHaveLength(1);
  });

  it('refuses to share its folder with another, and says what to do', async () => {
    agent.start();
    await agent.control.until(agent.control.run(definition), is('RUNNING'));
    const second = await openSecond(agent);
    expect(second).toBe(5);
    expect(agent.log()).toContain('another agent uses');
  });

  it('whose journal is damaged takes its containers over again', async () => {
    agent.start();
    const task = agent.control.run(definition);
    await agent.control.until(task, is('RUNNING'));
    const before = await agent.containers(task);
    await agent.kill();
    await damageJournal(agent.folder);
    const told = agent.control.history(task).length;
    agent.start();
    await agent.control.until(task, (state) => agent.control.history(task).indexOf(state) >= told);
    expect(agent.log()).toContain('the journal is damaged and was put aside');
    expect(await agent.containers(task)).toEqual(before);
    expect(agent.control.history(task).at(-1)?.lastStatus).toBe('RUNNING');
  });
});

async function openSecond({ folder, control }: AgentProcess): Promise<number | null> {
  const log = openSync(join(folder, 'agent.log'), 'a');
  const child = spawn(process.execPath, [resolve(import.meta.dirname, '../../../src/main.ts'), 'agent'], {
    env: { ...process.env, ECS_DATADIR: folder, BERTH_AGENT_TOKEN: 'x', BERTH_CONTROL_URL: control.url },
    stdio: ['ignore', log, log],
  });
  return new Promise((ended) => child.once('exit', ended));
}

async function damageJournal(folder: string): Promise<void> {
  await writeFile(join(folder, 'journal.sqlite'), 'x'.repeat(8192));
  await rm(join(folder, 'journal.sqlite-wal'), { force: true });
}

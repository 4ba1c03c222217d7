/** 200 starts and stops, several at a time: afterwards nothing of them is left on the engine, on the machine, in the journal or in the agent. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openJournal } from '#agent/state/journal.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLogger } from '#lib/logger.ts';
import { createSemaphore } from '#lib/semaphore.ts';
import { arnId } from '#model/arn.ts';
import type { TaskState } from '#protocol/session/messages.ts';
import { openAgentProcess, type AgentProcess } from '#test/support/agent-process.ts';
import { programs } from '#test/support/container-programs.ts';
import { recordEngine, type EngineRecorder } from '#test/support/engine-recorder.ts';
import { eventually } from '#test/support/real-cell.ts';
import { testImage } from '#test/support/test-images.ts';

const starts = 200;
const atOnce = 10;
/** Before the first measurement: what is loaded and opened once is so by then. */
const warmUp = 20;
const mebibyte = 1024 * 1024;
const cgroupRoot = '/sys/fs/cgroup';

let agent: AgentProcess;
let recorder: EngineRecorder;

beforeAll(async () => {
  agent = await openAgentProcess();
  recorder = await recordEngine(agent.engine);
  agent.start({ ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION: '1s', BERTH_ENGINE_CONCURRENCY: String(atOnce) });
});

afterAll(async () => {
  await recorder.close();
  await agent.close();
});

const is = (status: TaskState['lastStatus']) => (state: TaskState) => state.lastStatus === status;

/** With a volume and a cgroup of its own, and every fifth one with a network and a port. */
async function live(nth: number): Promise<string> {
  const app = { name: 'app', image: testImage, command: [...programs.stopsGracefully.command], stopTimeout: 5 };
  const task = agent.control.run({
    cpu: '128',
    memory: '32',
    networkMode: nth % 5 === 0 ? 'bridge' : 'none',
    containerDefinitions: [
      {
        ...app,
        ...(nth % 5 === 0 ? { portMappings: [{ containerPort: 80 }] } : {}),
        mountPoints: [{ sourceVolume: 'data', containerPath: '/data' }],
      },
    ],
    volumes: [{ name: 'data' }],
  });
  await agent.untilUp(task);
  agent.control.stop(task);
  const stopped = await agent.control.until(task, is('STOPPED'), 120_000);
  expect(stopped).toMatchObject({ stopCode: 'UserInitiated', containers: [{ exitCode: 0 }] });
  await recorder.untilGone(task);
  return task;
}

async function liveMany(count: number): Promise<string[]> {
  const slots = createSemaphore(atOnce);
  return Promise.all(Array.from({ length: count }, (_, nth) => slots.run(() => live(nth))));
}

/** Open files, sockets and timers of the agent's process, and its memory. */
function use(): { descriptors: number; threads: number; residentMiB: number } {
  const status = readFileSync(`/proc/${agent.pid()}/status`, 'utf8');
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  return {
    descriptors: readdirSync(`/proc/${agent.pid()}/fd`).length,
    threads: number('Threads'),
    residentMiB: number('VmRSS') / 1024,
  };
}

function cgroupsOf(task: string): string[] {
  return ['', ...readdirSync(cgroupRoot)].flatMap((hierarchy) => {
    const path = join(cgroupRoot, hierarchy, 'ecs', arnId(task));
    return existsSync(path) ? [path] : [];
  });
}

it(`${starts} starts and stops leave nothing`, async () => {
  await liveMany(warmUp);
  const before = use();
  const pid = agent.pid();
  const tasks = await liveMany(starts);

  for (const task of tasks) {
    expect(recorder.lifeOf(task)).toEqual(['create', 'start', 'die', 'destroy']);
    expect(agent.control.history(task).filter(is('STOPPED'))).toHaveLength(1);
    expect(cgroupsOf(task)).toEqual([]);
    const volume = `ecs-e2e-1-data-${arnId(task).slice(-18)}00`;
    await eventually('the end of a volume', async () => (await agent.engine.inspectVolume(volume)) === undefined);
  }
  expect(await agent.containers()).toEqual([]);
  expect(agent.control.registrations()).toBe(1);

  // Connections to the engine are kept open for a while, as many as were used at once.
  const after = await eventually('as few open files as before', async () => {
    const now = use();
    return now.descriptors <= before.descriptors + 2 * atOnce && now;
  });
  expect(after.threads).toBeLessThanOrEqual(before.threads);
  expect(after.residentMiB).toBeLessThan(before.residentMiB + 25);

  expect([agent.isRunning(), agent.pid()]).toEqual([true, pid]);
  expect(await agent.stop()).toBe(0);
  const path = join(agent.folder, 'journal.sqlite');
  const journal = openJournal({ path, machineId: 'unused', logger: silentLogger, now: systemClock.now() });
  expect([journal.tasks(), journal.pendingStateChanges(1000)]).toEqual([[], []]);
  journal.close();
  const bytes = readFileSync(path).length;
  expect(bytes).toBeLessThan(2 * mebibyte);
});

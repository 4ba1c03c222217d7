/** The sampler on a manual clock, with a kernel and an engine that say what the test wants. */
import { describe, expect, it } from 'vitest';
import type { CgroupReader } from '#agent/stats/cgroup-reader.ts';
import type { ContainerStats } from '#agent/stats/container-stats.ts';
import { createSampler } from '#agent/stats/sampler.ts';
import type { AgentTask } from '#agent/tasks/agent-task.ts';
import { EngineError } from '#agent/engine/container-engine.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import { anAgentTask, anObservation, someTaskArn } from '#test/support/builders/an-agent-task.ts';
import { idleStats } from '#test/support/builders/container-stats.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const everyMs = 5000;

function running(startedAt: number, engineId = 'engine-id'): AgentTask {
  const task = anAgentTask();
  const [app] = task.containers;
  if (app === undefined) throw new Error('the task has no container');
  const phase = { name: 'RUNNING', engineId, startedAt, health: 'UNKNOWN', networkBindings: [] } as const;
  return { ...task, containers: [{ ...app, phase }] };
}

function aSampler({ localPid = 42, slowEngineMs = 0 } = {}) {
  const clock = new ManualClock();
  const asked = { inspect: 0, stats: 0, read: 0 };
  const world = { tasks: [running(1)], engineFails: false, cpuNs: 0 };
  const stats = (): ContainerStats => {
    const idle = idleStats(clock.now());
    return { ...idle, cpu: { ...idle.cpu, totalNs: world.cpuNs } };
  };
  const reader: CgroupReader = {
    host: () => ({
      totalNs: clock.now() * 2_000_000,
      idleNs: clock.now() * 1_000_000,
      cpus: 2,
      totalBytes: 100,
      availableBytes: 40,
    }),
    read({ pid }) {
      asked.read += 1;
      return pid === localPid ? stats() : undefined;
    },
  };
  const sampler = createSampler({
    tasks: () => world.tasks,
    engine: {
      async inspect() {
        asked.inspect += 1;
        if (world.engineFails) throw new EngineError('unreachable', 'the engine is down');
        return anObservation({ pid: 42 });
      },
      async stats(_id, { signal } = {}) {
        asked.stats += 1;
        await clock.sleep(slowEngineMs, signal);
        return stats();
      },
    },
    reader,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    everyMs,
  });
  return { clock, asked, world, sampler, start: async () => (sampler.start(), clock.advance(everyMs)) };
}

describe('where figures come from', () => {
  it('is the kernel, and the engine only tells once where the process is', async () => {
    const { clock, asked, sampler, start } = aSampler();
    await start();
    await clock.advance(3 * everyMs);
    expect(asked).toMatchObject({ inspect: 1, stats: 0 });
    expect(sampler.latest(someTaskArn, 'app')).toMatchObject({ id: 'engine-id', pids_stats: { current: 1 } });
    await sampler.stop();
  });

  it('is the engine when the process is not on this machine', async () => {
    const { clock, asked, sampler, start } = aSampler({ localPid: -1 });
    await start();
    await clock.advance(3 * everyMs);
    expect(asked.inspect).toBe(1);
    expect(asked.stats).toBeGreaterThan(2);
    expect(sampler.latest(someTaskArn, 'app')).toBeDefined();
    await sampler.stop();
  });

  it('is asked no faster than it answers', async () => {
    const { clock, asked, sampler, start } = aSampler({ localPid: -1, slowEngineMs: 4 * everyMs });
    await start();
    await clock.advance(8 * everyMs);
    expect(asked.stats).toBeLessThanOrEqual(3);
    await sampler.stop();
  });
});

describe('a container', () => {
  it('has no figures when it does not run, and none of an earlier run', async () => {
    const { clock, world, sampler, start } = aSampler();
    await start();
    expect(sampler.latest(someTaskArn, 'app')).toBeDefined();
    world.tasks = [anAgentTask()];
    expect(sampler.latest(someTaskArn, 'app')).toBeUndefined();
    await clock.advance(everyMs);
    expect(sampler.containers()).toEqual([]);
    await sampler.stop();
  });

  it('goes on counting after its restart', async () => {
    const { clock, world, sampler, start } = aSampler();
    world.cpuNs = 5e9;
    await start();
    world.tasks = [running(clock.now())];
    world.cpuNs = 1e9;
    await clock.advance(everyMs);
    expect(sampler.containers()[0]?.figures.totals.cpuNs).toBe(6e9);
    await sampler.stop();
  });

  it('keeps its last figures while the engine does not answer, and gets new ones afterwards', async () => {
    const { clock, world, sampler, asked, start } = aSampler();
    world.engineFails = true;
    await start();
    expect(sampler.latest(someTaskArn, 'app')).toBeUndefined();
    world.engineFails = false;
    await clock.advance(everyMs);
    expect(sampler.latest(someTaskArn, 'app')).toBeDefined();
    expect(asked.inspect).toBe(2);
    await sampler.stop();
  });

  it('is forgotten with its task', async () => {
    const { clock, world, sampler, start } = aSampler();
    await start();
    world.tasks = [];
    await clock.advance(everyMs);
    world.tasks = [running(1)];
    expect(sampler.latest(someTaskArn, 'app')).toBeUndefined();
    await sampler.stop();
  });
});

it('a window has the containers and the machine, and is empty when it was taken', async () => {
  const { clock, sampler, start } = aSampler();
  await start();
  await clock.advance(2 * everyMs);
  const { instance, containers } = sampler.takeWindow();
  expect(instance).toMatchObject({ cpuUnits: { min: 1024, max: 1024 }, memoryBytes: { max: 60 } });
  expect(containers).toMatchObject([{ container: { name: 'app' }, metrics: { memoryBytes: { max: 1_000_000 } } }]);
  expect(sampler.takeWindow()).toMatchObject({ instance: {}, containers: [] });
  await sampler.stop();
});

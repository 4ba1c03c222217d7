/** What `berth agent purge` takes off an engine: everything of this agent, in an order that lets containers end well, and nothing else. */
import { describe, expect, it } from 'vitest';
import type { EngineNetwork } from '#agent/engine/engine-networks.ts';
import { removeOrphans } from '#agent/runner/orphans.ts';
import { purge } from '#agent/runner/purge.ts';
import { containerNamed } from '#agent/tasks/agent-task.ts';
import { containerSpec } from '#agent/tasks/container-config.ts';
import { pauseContainerName, pauseImage } from '#agent/tasks/pause-container.ts';
import { pauseSpec } from '#agent/tasks/pause-spec.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import { anAgentTask } from '#test/support/builders/an-agent-task.ts';
import { FakeEngine } from '#test/support/fake-engine.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const machineId = 'machine-1';

/** An engine on which one awsvpc task runs, and whatever it says about ends. */
async function engineWithTask() {
  const clock = new ManualClock();
  const engine = new FakeEngine({
    clock,
    random: seededRandom(1),
    behave: ({ image }) => (image === pauseImage ? {} : { stopsAfterMs: 1000 }),
  });
  engine.addImage('berth-test:busybox');
  engine.addImage(pauseImage);
  const task = anAgentTask({ definition: { networkMode: 'awsvpc' } });
  const specs = [pauseSpec(task, { machineId, taskNetwork: 'berth-tasks' }), containerSpec(task, 'app', machineId)];
  const ends: string[] = [];
  const ending = new AbortController();
  const events = await engine.events({ labelKeys: [], signal: ending.signal });
  const listening = (async () => {
    for await (const { action, containerName } of events) if (action === 'die') ends.push(containerName);
  })();
  for (const spec of specs) {
    await engine.create(spec);
    await engine.start(spec.name);
  }
  const names = ['app', pauseContainerName].map((name) => containerNamed(task, name)?.engineName);
  return {
    clock,
    engine,
    task,
    names,
    async ends(): Promise<string[]> {
      ending.abort();
      await listening;
      return ends;
    },
  };
}

function network(name: string, owner: string): EngineNetwork {
  return { name, driver: 'bridge', subnets: [], labels: { 'berth.machine-id': owner } };
}

describe('a purge', () => {
  it('ends pause containers last, and takes away the networks of this agent', async () => {
    const { clock, engine, task, names, ends } = await engineWithTask();
    const removed: string[] = [];
    const networks = {
      listNetworks: async () => [network('mine', machineId), network('yours', 'machine-2')],
      removeNetwork: async (name: string) => void removed.push(name),
    };

    const purging = purge({
      engine,
      networks,
      machineId,
      tasks: [task],
      defaultStopTimeout: 30,
      logger: silentLogger,
    });
    await clock.advance(5000);

    expect(await purging).toEqual({ containers: 2, volumes: 0, networks: 1 });
    expect(engine.containers()).toEqual([]);
    expect(await ends()).toEqual(names);
    expect(removed).toEqual(['mine']);
  });
});

describe('containers that nobody knows', () => {
  it('are removed with their pause container last', async () => {
    const { clock, engine, names, ends } = await engineWithTask();
    const { signal } = new AbortController();

    const sweeping = removeOrphans({
      engine,
      machineId,
      stopTimeoutSeconds: 30,
      isKnown: () => false,
      logger: silentLogger,
      signal,
    });
    await clock.advance(5000);

    expect(await sweeping).toBe(0);
    expect(await ends()).toEqual(names);
  });
});

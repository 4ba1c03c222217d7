/** A task that goes on waiting has nothing new to tell, however often the agent looks at the engine meanwhile. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { superviseFakeEngine, type SupervisedEngine } from '#test/support/supervised-engine.ts';

let world: SupervisedEngine;

beforeEach(() => {
  world = superviseFakeEngine({ capacity: { cpu: 1024, memoryMiB: 1024, gpuIds: [] } });
});

afterEach(() => world.close());

it('a task that waits for room tells so once, and no look at the engine makes it say so again', async () => {
  const app = { name: 'app', image: 'berth-test:busybox', cpu: 100, memory: 800 };
  world.start();
  await world.until(world.assign(1, { containerDefinitions: [app] }), 'RUNNING');
  const waiting = world.assign(2, { containerDefinitions: [app] });
  await world.until(waiting, 'PENDING');
  const told = world.reports.length;
  const looks = world.engine.calls.get('inspect') ?? 0;
  await world.clock.advance(20 * 60_000);
  expect(world.engine.calls.get('inspect')).toBeGreaterThan(looks);
  expect(world.reports).toHaveLength(told);
  expect(world.reported(waiting)?.containers[0]?.reason).toContain('waiting for RESOURCE:MEMORY');
});

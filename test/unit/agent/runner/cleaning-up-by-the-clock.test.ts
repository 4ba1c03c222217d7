/** What is left of an ended task goes in its time, whatever happens to the machine's clock. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { programs } from '#test/support/container-programs.ts';
import { cleanupWaitMs, superviseFakeEngine, type SupervisedEngine } from '#test/support/supervised-engine.ts';

const endsAtOnce = {
  containerDefinitions: [
    { name: 'app', image: 'berth-test:busybox', cpu: 100, memory: 64, command: [...programs.succeeds.command] },
  ],
};

let world: SupervisedEngine;

beforeEach(() => {
  world = superviseFakeEngine();
});

afterEach(() => world.close());

describe('cleaning up', () => {
  it('comes no later when the clock was set back while no agent was there to see it', async () => {
    world.start();
    const task = world.assign(1, endsAtOnce);
    await world.until(task, 'STOPPED');
    world.acknowledgeAll();
    world.kill();
    world.setClock(-60 * 60_000);
    world.start();
    await world.clock.advance(cleanupWaitMs - 10_000);
    expect(world.engine.containers()).toHaveLength(1);
    await world.clock.advance(20_000);
    expect(world.engine.containers()).toEqual([]);
  });

  it('comes in its time on a machine that starts long ago and learns what time it is afterwards', async () => {
    const yearsMs = 50 * 365 * 24 * 60 * 60_000;
    world.start();
    const task = world.assign(1, endsAtOnce);
    await world.until(task, 'STOPPED');
    world.acknowledgeAll();
    world.kill();
    world.setClock(-yearsMs);
    world.start();
    await world.clock.advance(10_000);
    world.setClock(yearsMs);
    await world.clock.advance(cleanupWaitMs - 20_000);
    expect(world.engine.containers()).toHaveLength(1);
    await world.clock.advance(20_000);
    expect(world.engine.containers()).toEqual([]);
  });
});

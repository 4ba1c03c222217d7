/** The agent's core while its journal cannot be written, because the disk is full. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cleanupWaitMs, superviseFakeEngine, type SupervisedEngine } from '#test/support/supervised-engine.ts';

let world: SupervisedEngine;

beforeEach(() => {
  world = superviseFakeEngine();
});

afterEach(() => world.close());

const definition = {
  containerDefinitions: [{ name: 'app', image: 'berth-test:busybox', cpu: 100, memory: 64 }],
};

describe('a journal that cannot be written', () => {
  it('holds reports back, makes the machine say so, and loses nothing', async () => {
    world.start();
    await world.clock.advance(1);
    const task = world.assign(1, definition);
    world.failSaves(true);
    await world.clock.advance(20_000);
    expect(world.engine.containers()[0]?.state).toBe('running');
    expect(world.reported(task)).toBeUndefined();
    expect(world.supervisor().problems().journal).toBe(
      "the agent's journal cannot be written: database or disk is full",
    );
    world.failSaves(false);
    await world.until(task, 'RUNNING');
    expect(world.supervisor().problems()).toEqual({});
  });

  it('keeps an ended task for as long as its end could not be saved, although what came before was acknowledged', async () => {
    world.start();
    const task = world.assign(1, definition);
    await world.until(task, 'RUNNING');
    world.acknowledgeAll();
    world.failSaves(true);
    world.engine.exit(world.engine.containers()[0]?.name ?? '', 9);
    await world.clock.advance(2 * cleanupWaitMs);
    expect(world.engine.containers()).toHaveLength(1);
    world.failSaves(false);
    expect((await world.until(task, 'STOPPED')).containers[0]?.exitCode).toBe(9);
    world.acknowledgeAll();
    await world.clock.advance(1000);
    expect(world.journal.tasks()).toEqual([]);
  });
});

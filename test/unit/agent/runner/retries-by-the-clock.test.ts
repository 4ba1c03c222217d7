/** How soon the engine is asked again when the machine's clock was set while it was asked. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { superviseFakeEngine, type SupervisedEngine } from '#test/support/supervised-engine.ts';

let world: SupervisedEngine;

beforeEach(() => {
  world = superviseFakeEngine();
});

afterEach(() => world.close());

it.each([3_600_000, -3_600_000])(
  "an attempt that failed while the machine's clock was set by %d ms is repeated as soon as otherwise",
  async (byMs) => {
    world.start();
    const app = { name: 'app', image: 'berth-test:busybox', cpu: 100, memory: 64 };
    const task = world.assign(1, { containerDefinitions: [app] });
    await world.until(task, 'RUNNING');
    // The look that the event asks for, and the attempt after it, take 30 s each.
    world.engine.failNext('inspect', { kind: 'hang', times: 2 });
    world.engine.exit(world.engine.containers()[0]?.id ?? '', 9);
    await world.clock.advance(45_000);
    world.setClock(byMs);
    const asked = world.engine.calls.get('inspect');
    await world.clock.advance(15_500);
    expect(world.engine.calls.get('inspect')).toBe(asked);
    const state = await world.until(task, 'STOPPED', 5000);
    expect(state.containers[0]?.exitCode).toBe(9);
  },
);

/** Throttle, counting, events. */
import { describe, expect, it } from 'vitest';
import { isSuppressed } from '#control/deployments/service-events.ts';
import { failStarts } from './failing-starts.ts';
import { ServiceWorld } from './service-world.ts';

describe('starts that fail', () => {
  it('are retried at once at first, then with growing delays', () => {
    const world = new ServiceWorld({ service: { desiredCount: 1 } });
    for (let failures = 0; failures < 4; failures += 1) {
      world.look();
      expect(world.pending()).toHaveLength(1);
      for (const task of world.pending()) world.end(task);
    }
    world.look();
    expect(world.pending()).toEqual([]);
    expect(world.primary).toMatchObject({ failedTasks: 4, launchesHeldUntil: world.now + 1000 });
    expect(world.messages).toContain('(service web) is unable to consistently start tasks successfully.');
    expect(world.primary.waiting).toMatchObject({ until: world.now + 1000 });
  });

  it('are held for 27 minutes at most and never given up', () => {
    const world = new ServiceWorld({ service: { desiredCount: 1 } });
    const tried = failStarts(world, 12 * 60 * 60_000);
    expect(tried).toBeGreaterThan(30);
    expect(tried).toBeLessThan(60);
    expect((world.primary.launchesHeldUntil ?? 0) - world.now).toBeLessThanOrEqual(27 * 60_000);
  });

  it('are held no longer for it when the clock is set back by hours meanwhile', () => {
    const world = new ServiceWorld({ service: { desiredCount: 1 } });
    failStarts(world, 60_000);
    expect(world.pending()).toEqual([]);
    world.now -= 3 * 60 * 60_000;
    world.look();
    expect(world.pending()).toHaveLength(1);
  });

  it('are forgotten when one succeeds', () => {
    const world = new ServiceWorld({ service: { desiredCount: 1 } });
    failStarts(world, 60_000);
    world.passTime(60 * 60_000);
    expect(world.primary).toMatchObject({ failedTasks: 0, rolloutState: 'COMPLETED' });
    expect(world.primary.launchesHeldUntil).toBeUndefined();
  });

  it('count once, however often one looks', () => {
    const world = new ServiceWorld({ service: { desiredCount: 2 } });
    world.look();
    for (const task of world.pending()) world.end(task);
    world.look();
    world.look();
    expect(world.primary.failedTasks).toBe(2);
  });

  it('do not count when a person or control stopped the task', () => {
    const world = new ServiceWorld({ service: { desiredCount: 1 } });
    world.look();
    for (const task of world.pending()) {
      world.changeTask(task, { lastStatus: 'STOPPED', desiredStatus: 'STOPPED', stopCode: 'UserInitiated' });
    }
    world.look();
    expect(world.primary.failedTasks).toBe(0);
  });
});

describe('tasks that crash soon after they start', () => {
  it('are replaced at once at first, then with delays up to a minute', () => {
    const world = new ServiceWorld({ service: { desiredCount: 1 } });
    for (let crash = 0; crash < 40; crash += 1) {
      const { wakeAt } = world.look();
      for (const task of world.pending()) world.run(task);
      world.look();
      for (const task of world.alive()) world.end(task);
      world.look();
      if (crash < 5) expect(world.pending()).toHaveLength(1);
      if (world.pending().length === 0)
        world.now = Math.max(wakeAt ?? 0, world.primary.launchesHeldUntil ?? 0, world.now);
    }
    expect(world.primary.failedTasks).toBe(0);
    expect(world.messages).toContain('(service web) has tasks that stop soon after they start.');
    expect((world.primary.launchesHeldUntil ?? 0) - world.now).toBeLessThanOrEqual(60_000);
  });

  it('are forgiven once one has run for a while', () => {
    const world = ServiceWorld.steady({ service: { desiredCount: 1 } });
    expect(world.primary.progress).toMatchObject({ probation: [], quickCrashes: 0, healthFailures: 0, holds: 0 });
  });
});

describe('an event', () => {
  const at = (message: string, createdAt: number) => ({ id: '', message, createdAt });
  const hour = 3_600_000;

  it('is not repeated within 6 hours', () => {
    expect(isSuppressed([at('x', 0)], 'x', 6 * hour - 1)).toBe(true);
    expect(isSuppressed([at('x', 0)], 'x', 6 * hour)).toBe(false);
  });

  it('is repeated when the problem had been solved', () => {
    const events = [at('(service web) has reached a steady state.', 1), at('x', 0)];
    expect(isSuppressed(events, 'x', 2)).toBe(false);
  });

  it('of a steady state is repeated after anything else', () => {
    const steady = '(service web) has reached a steady state.';
    expect(isSuppressed([at(steady, 0)], steady, 100 * hour)).toBe(true);
    expect(isSuppressed([at('x', 1), at(steady, 0)], steady, 2)).toBe(false);
  });
});

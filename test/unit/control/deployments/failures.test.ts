/** Throttle, circuit breaker, counting, events. */
import { describe, expect, it } from 'vitest';
import { breakerThreshold } from '#control/deployments/circuit-breaker.ts';
import { isSuppressed } from '#control/deployments/service-events.ts';
import { ServiceWorld } from './service-world.ts';

/** Every start fails until `ms` have passed. Answers how many were tried. */
function failStarts(world: ServiceWorld, ms: number): number {
  const end = world.now + ms;
  let tried = 0;
  while (world.now <= end) {
    const { wakeAt } = world.look();
    const failing = world.pending();
    for (const task of failing) world.end(task);
    tried += failing.length;
    if (failing.length === 0) world.now = wakeAt === undefined ? end + 1 : Math.max(wakeAt, world.now + 1);
  }
  return tried;
}

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
    expect(world.primary.progress).toEqual({ probation: [], quickCrashes: 0, healthFailures: 0, holds: 0 });
  });
});

describe('the circuit breaker', () => {
  it.each([
    [1, 3],
    [25, 13],
    [400, 200],
    [800, 200],
  ])('for %i tasks trips at %i failures', (desired, threshold) => expect(breakerThreshold(desired)).toBe(threshold));

  function breaking(rollback: boolean): ServiceWorld {
    const deploymentCircuitBreaker = { enable: true, rollback };
    return ServiceWorld.steady({ service: { desiredCount: 2, deploymentConfiguration: { deploymentCircuitBreaker } } });
  }

  it('goes back to what completed last', () => {
    const world = breaking(true);
    const good = world.primary;
    world.deploy(2);
    const bad = world.primary;
    for (let round = 0; round < 2; round += 1) {
      world.look();
      for (const task of world.pending()) world.end(task);
    }
    world.look();
    expect(world.service.deployments.find(({ id }) => id === bad.id)).toMatchObject({
      rolloutState: 'FAILED',
      rolloutStateReason: 'ECS deployment circuit breaker: tasks failed to start.',
    });
    expect(world.primary).toMatchObject({ rollbackOf: bad.id, taskDefinitionArn: good.taskDefinitionArn });
    world.passTime(60_000);
    expect(world.primary.rolloutState).toBe('COMPLETED');
    expect(world.service.deployments).toHaveLength(1);
    expect(world.alive()).toHaveLength(2);
  });

  it('without a way back stays FAILED, starts nothing, and keeps the old tasks, replacing what dies', () => {
    const world = breaking(false);
    const good = world.primary;
    world.deploy(2);
    failStarts(world, 5 * 60_000);
    expect(world.primary.rolloutState).toBe('FAILED');
    expect(world.alive(good)).toHaveLength(2);
    const [victim] = world.alive(good);
    if (victim !== undefined) world.end(victim);
    world.runEverything();
    expect(world.alive(good)).toHaveLength(2);
    expect(world.look().waiting?.reason).toContain('the deployment failed');
  });

  it('of a way back that fails too starts no other', () => {
    const world = breaking(true);
    world.deploy(2);
    failStarts(world, 60 * 60_000);
    expect(world.primary.rollbackOf).toBeDefined();
    expect(world.primary.rolloutState).toBe('FAILED');
  });

  it('counts failed health checks', () => {
    const world = breaking(false);
    world.deploy(2);
    world.healthChecked.add(world.primary.taskDefinitionArn);
    for (let round = 0; round < 8; round += 1) {
      world.passTime(60_000);
      for (const task of world.alive(world.primary)) world.changeTask(task, { healthStatus: 'UNHEALTHY' });
    }
    expect(world.primary.rolloutState).toBe('FAILED');
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

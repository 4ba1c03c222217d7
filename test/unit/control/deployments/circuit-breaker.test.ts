/** The circuit breaker: what it counts, when it trips, what follows. ecs-behaviour 5.3. */
import { describe, expect, it } from 'vitest';
import { breakerThreshold } from '#control/deployments/circuit-breaker.ts';
import { failureShownMs } from '#control/deployments/decide-service.ts';
import { defaultDeadlineMs } from '#control/deployments/giving-up.ts';
import type { Deployment } from '#model/deployment.ts';
import type { DeploymentCircuitBreaker } from '#model/service.ts';
import { failStarts } from './failing-starts.ts';
import { ServiceWorld } from './service-world.ts';

const missing = 'CannotPullImageManifestError: the registry has no such image: manifest unknown';

function breaking(breaker: Partial<DeploymentCircuitBreaker> = {}, desiredCount = 2): ServiceWorld {
  const deploymentCircuitBreaker = { enable: true, rollback: true, ...breaker };
  return ServiceWorld.steady({ service: { desiredCount, deploymentConfiguration: { deploymentCircuitBreaker } } });
}

/** Each look's new tasks end at once. */
function failRounds(world: ServiceWorld, rounds: number, reason?: string): void {
  for (let round = 0; round < rounds; round += 1) {
    world.look();
    for (const task of world.pending()) world.end(task, reason);
  }
}

function named(world: ServiceWorld, { id }: Deployment): Deployment | undefined {
  return world.service.deployments.find((deployment) => deployment.id === id);
}

describe('the threshold', () => {
  it.each([
    [1, 3],
    [25, 13],
    [400, 200],
    [800, 200],
  ])('for %i tasks is %i failures: half of them, rounded up, within 3 and 200', (desired, threshold) =>
    expect(breakerThreshold(desired)).toBe(threshold),
  );

  it.each([
    [1, 100, 3],
    [10, 100, 10],
    [10, 10, 3],
    [1000, 90, 200],
  ])('BOUNDED_PERCENT for %i tasks and %i percent is %i', (desired, value, threshold) =>
    expect(breakerThreshold(desired, { type: 'BOUNDED_PERCENT', value })).toBe(threshold),
  );

  it.each([
    [1, 50, 1],
    [800, 50, 400],
    [3, 34, 2],
    [0, 50, 1],
  ])('UNBOUNDED_PERCENT for %i tasks and %i percent is %i, without bounds', (desired, value, threshold) =>
    expect(breakerThreshold(desired, { type: 'UNBOUNDED_PERCENT', value })).toBe(threshold),
  );

  it('COUNT is the number itself', () => {
    expect(breakerThreshold(800, { type: 'COUNT', value: 1 })).toBe(1);
    expect(breakerThreshold(1, { type: 'COUNT', value: 500 })).toBe(500);
  });

  it('follows the latest desired count', () => {
    const world = breaking({ rollback: false }, 20);
    world.deploy(2);
    world.change({ desiredCount: 2 });
    failRounds(world, 2);
    world.look();
    expect(world.primary.rolloutState).toBe('FAILED');
  });
});

describe('a deployment whose tasks fail', () => {
  it('goes back to what completed last, whose tasks are untouched', () => {
    const world = breaking();
    const good = world.primary;
    const before = world.alive().map(({ taskArn }) => taskArn);
    world.deploy(2);
    const bad = world.primary;
    failRounds(world, 2, 'Task failed to start');
    world.look();
    expect(named(world, bad)).toMatchObject({
      status: 'ACTIVE',
      rolloutState: 'FAILED',
      rolloutStateReason:
        'ECS deployment circuit breaker: tasks failed to start. Last failure: Task failed to start. ' +
        `Rolling back deploymentId ${bad.id} to deploymentId ${good.id}.`,
    });
    expect(world.primary).toMatchObject({
      id: good.id,
      rollbackOf: bad.id,
      rolloutState: 'IN_PROGRESS',
      taskDefinitionArn: good.taskDefinitionArn,
    });
    expect(world.primary.rolloutStateReason).toContain(
      `rolling back to deploymentId ${good.id} from deploymentId ${bad.id}.`,
    );
    world.runEverything();
    expect(world.primary.rolloutState).toBe('COMPLETED');
    expect(world.service.taskDefinitionArn).toBe(good.taskDefinitionArn);
    expect(world.alive().map(({ taskArn }) => taskArn)).toEqual(before);
    expect(world.messages).toContain(`(service web) rolling back to (deployment ${good.id}).`);
  });

  it('is listed for a minute after it was taken back, so that whoever polls sees it', () => {
    const world = breaking();
    world.deploy(2);
    const bad = world.primary;
    failRounds(world, 3);
    world.passTime(failureShownMs - 1000);
    expect(named(world, bad)?.rolloutState).toBe('FAILED');
    world.passTime(2000);
    expect(world.service.deployments).toHaveLength(1);
    expect(world.look().waiting).toBeUndefined();
  });

  it('leaves the list where control’s clock was set back by hours since', () => {
    const world = breaking();
    world.deploy(2);
    failRounds(world, 3);
    world.runEverything();
    world.passTime(-3 * 3_600_000);
    expect(world.service.deployments).toHaveLength(1);
    expect(world.look().waiting).toBeUndefined();
  });

  it('goes back to the most recent one that completed, over others that failed', () => {
    const world = breaking();
    const first = world.primary;
    world.deploy(2);
    failRounds(world, 3);
    world.runEverything();
    world.deploy(3);
    const third = world.primary;
    failRounds(world, 3);
    world.runEverything();
    expect(world.primary).toMatchObject({ id: first.id, rollbackOf: third.id, rolloutState: 'COMPLETED' });
  });

  it('without rollback stays FAILED, starts nothing, and keeps the old tasks, replacing what dies', () => {
    const world = breaking({ rollback: false });
    const good = world.primary;
    world.deploy(2);
    failStarts(world, 5 * 60_000);
    expect(world.primary.rolloutState).toBe('FAILED');
    expect(world.primary.rolloutStateReason).toContain(`DeploymentId ${world.primary.id} is not rolled back.`);
    expect(world.alive(good)).toHaveLength(2);
    const [victim] = world.alive(good);
    if (victim !== undefined) world.end(victim);
    world.runEverything();
    expect(world.alive(good)).toHaveLength(2);
    expect(world.look().waiting?.reason).toContain('the deployment failed');
  });

  it('with no predecessor that completed stays FAILED and says so', () => {
    const deploymentCircuitBreaker = { enable: true, rollback: true };
    const world = new ServiceWorld({ service: { deploymentConfiguration: { deploymentCircuitBreaker } } });
    failRounds(world, 3);
    world.look();
    const { id } = world.primary;
    expect(world.primary).toMatchObject({ rolloutState: 'FAILED', failedBy: 'breaker' });
    expect(world.primary.rolloutStateReason).toContain(
      `DeploymentId ${id} cannot be rolled back, because no deployment of the service completed before it.`,
    );
    expect(failStarts(world, 60 * 60_000)).toBe(0);
  });

  it('is not taken back a second time when the way back fails too', () => {
    const world = breaking();
    const good = world.primary;
    world.deploy(2);
    const bad = world.primary;
    failRounds(world, 2);
    world.look();
    for (const task of world.alive()) world.end(task);
    failStarts(world, 60 * 60_000);
    expect(world.primary).toMatchObject({ id: good.id, rollbackOf: bad.id, rolloutState: 'FAILED' });
    expect(world.primary.rolloutStateReason).toContain(
      `DeploymentId ${good.id} is itself the way back from deploymentId ${bad.id} and is not rolled back.`,
    );
  });

  it('is overtaken while it is taken back, and the way back remains one', () => {
    const world = breaking();
    const good = world.primary;
    world.deploy(2);
    failRounds(world, 2);
    world.look();
    expect(world.primary.rolloutState).toBe('IN_PROGRESS');
    world.deploy(3);
    failRounds(world, 3);
    world.runEverything();
    expect(world.primary).toMatchObject({ id: good.id, rolloutState: 'COMPLETED' });
    expect(world.alive(good)).toHaveLength(2);
  });

  it('counts anew when it is deployed again', () => {
    const world = breaking({ rollback: false });
    world.deploy(2);
    failRounds(world, 3);
    world.deploy(2);
    failRounds(world, 1);
    world.look();
    expect(world.primary).toMatchObject({ rolloutState: 'IN_PROGRESS', failedTasks: 2 });
  });
});

describe('what counts', () => {
  it('is each failed health check', () => {
    const world = breaking({ rollback: false });
    world.deploy(2);
    world.healthChecked.add(world.primary.taskDefinitionArn);
    for (let round = 0; round < 8; round += 1) {
      world.passTime(60_000);
      for (const task of world.alive(world.primary)) world.changeTask(task, { healthStatus: 'UNHEALTHY' });
    }
    expect(world.primary.rolloutState).toBe('FAILED');
  });

  it('is each task that crashes soon after it ran', () => {
    const world = breaking({ rollback: false });
    world.deploy(2);
    for (let round = 0; round < 4; round += 1) {
      world.look();
      for (const task of world.pending()) world.run(task);
      world.look();
      for (const task of world.alive(world.primary)) world.end(task);
    }
    expect(world.primary).toMatchObject({ rolloutState: 'FAILED', failedTasks: 0 });
  });

  it('is a task that crashes soon after it ran, however long its other containers take to end', () => {
    const world = breaking({ rollback: false, thresholdConfiguration: { type: 'COUNT', value: 1 } });
    world.deploy(2);
    world.look();
    const [task] = world.pending();
    if (task === undefined) throw new Error('nothing was started');
    world.run(task);
    world.look();
    world.now += 5000;
    const crash = { stopCode: 'EssentialContainerExited', executionStoppedAt: world.now } as const;
    world.changeTask(task, { lastStatus: 'STOPPING', ...crash });
    world.look();
    world.now += 60_000;
    world.look();
    expect(world.primary.rolloutState).toBe('IN_PROGRESS');
    const [ending] = [...world.tasks.values()].filter(({ taskArn }) => taskArn === task.taskArn);
    world.end(ending ?? task);
    world.look();
    expect(world.primary.rolloutState).toBe('FAILED');
  });

  it('is only failures in a row, as a healthy task sets them back (resetOnHealthyTask, the default)', () => {
    const world = breaking({ rollback: false }, 20);
    world.deploy(2);
    for (let round = 0; round < 12; round += 1) {
      world.look();
      const [lucky, ...failing] = world.pending();
      for (const task of failing.slice(0, 5)) world.end(task);
      world.now += 1;
      if (lucky !== undefined) world.run(lucky);
      world.look();
      for (const task of world.alive(world.primary)) world.end(task);
      world.now += 60_000;
      expect(world.primary.rolloutState).not.toBe('COMPLETED');
      if (world.primary.rolloutState === 'FAILED') break;
    }
    expect(world.primary.progress?.failures ?? 0).toBeGreaterThan(10);
  });

  it('is every failure when a healthy task does not set them back (resetOnHealthyTask false)', () => {
    const world = breaking({ rollback: false, resetOnHealthyTask: false }, 4);
    world.deploy(2);
    for (let failures = 1; failures <= 3; failures += 1) {
      expect(world.primary.rolloutState).toBe('IN_PROGRESS');
      world.look();
      const [failing, running] = world.pending();
      if (failing !== undefined) world.end(failing);
      world.look();
      world.now += 1;
      if (running !== undefined) world.run(running);
      world.look();
      expect(world.primary.progress?.failures).toBe(failures);
      expect(world.primary.failedTasks).toBe(0);
    }
    world.look();
    expect(world.primary.rolloutState).toBe('FAILED');
  });

  it('is never a want of room', () => {
    const deploymentCircuitBreaker = { enable: true, rollback: true };
    const world = ServiceWorld.steady({
      capacity: 2,
      service: { desiredCount: 2, deploymentConfiguration: { deploymentCircuitBreaker } },
    });
    world.deploy(2);
    world.passTime(60 * 60_000);
    expect(world.primary).toMatchObject({ rolloutState: 'IN_PROGRESS', failedTasks: 0 });
  });
});

describe('images that are missing or refused', () => {
  it('fail the deployment after 3 attempts, whatever the threshold', () => {
    const world = breaking({ thresholdConfiguration: { type: 'COUNT', value: 500 } });
    const good = world.primary;
    world.deploy(2);
    const bad = world.primary;
    failRounds(world, 2, missing);
    world.look();
    expect(named(world, bad)?.rolloutStateReason).toBe(
      'ECS deployment circuit breaker: image resolution failed 3 times. ' +
        `Last failure: ${missing}. Rolling back deploymentId ${bad.id} to deploymentId ${good.id}.`,
    );
    expect(world.primary.id).toBe(good.id);
  });

  it('do not once a task of the deployment has run', () => {
    const world = breaking({ thresholdConfiguration: { type: 'COUNT', value: 500 } });
    world.deploy(2);
    world.look();
    const [first] = world.pending();
    if (first !== undefined) world.run(first);
    world.look();
    failRounds(world, 6, missing);
    expect(world.primary).toMatchObject({ rolloutState: 'IN_PROGRESS' });
  });

  it('are told apart from failures that another attempt may mend', () => {
    const world = breaking({ thresholdConfiguration: { type: 'COUNT', value: 500 } });
    world.deploy(2);
    failRounds(world, 6, 'CannotPullContainerError: the registry cannot be reached: i/o timeout');
    world.look();
    expect(world.primary.progress?.imageFailures).toBeUndefined();
    expect(world.primary.rolloutState).toBe('IN_PROGRESS');
  });
});

describe('the deadline of a rollout', () => {
  const deadline = (value: string) => [{ key: 'berth:deployment-deadline', value }];

  /** Its instances have no room, for ever. */
  function stuck(tags: readonly { key: string; value: string }[], enable: boolean, rollback = true): ServiceWorld {
    const deploymentCircuitBreaker = { enable, rollback };
    const world = ServiceWorld.steady({
      capacity: 2,
      service: { desiredCount: 2, deploymentConfiguration: { deploymentCircuitBreaker }, tags },
    });
    world.deploy(2);
    return world;
  }

  it('of a tag fails the deployment, with what it waited for, and the way back begins', () => {
    const world = stuck(deadline('30m'), true);
    const [bad, good] = world.service.deployments;
    world.passTime(30 * 60_000 - 1);
    expect(world.primary.rolloutStateReason).toMatch(/ Deadline: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\.$/);
    expect(world.primary.rolloutState).toBe('IN_PROGRESS');
    world.passTime(1);
    const failed = world.service.deployments.find(({ id }) => id === bad?.id);
    expect(failed).toMatchObject({ rolloutState: 'FAILED', failedBy: 'deadline' });
    expect(failed?.rolloutStateReason).toContain('did not complete before its deadline');
    expect(failed?.rolloutStateReason).toContain(
      'It was waiting for: a container instance that meets the requirements of its tasks.',
    );
    expect(world.primary.id).toBe(good?.id);
  });

  it('without rollback leaves it FAILED', () => {
    const world = stuck(deadline('90s'), true, false);
    world.passTime(2 * 60_000);
    expect(world.primary).toMatchObject({ rolloutState: 'FAILED', failedBy: 'deadline' });
  });

  it('is 24 h when the circuit breaker is on and nothing else is said', () => {
    const world = stuck([], true, false);
    world.now += defaultDeadlineMs - 1;
    world.look();
    expect(world.primary.rolloutState).toBe('IN_PROGRESS');
    world.now += 1;
    world.look();
    expect(world.primary.failedBy).toBe('deadline');
  });

  it.each([
    ['when the circuit breaker is off', [], false],
    ['when the tag says never', deadline('never'), true],
  ] as const)('is none %s', (_, tags, enable) => {
    const world = stuck(tags, enable);
    world.now += 30 * defaultDeadlineMs;
    world.look();
    expect(world.primary.rolloutState).toBe('IN_PROGRESS');
    expect(world.primary.rolloutStateReason).not.toContain('Deadline');
  });

  it('counts for a rollout only: a service that is steady has none', () => {
    const world = breaking();
    world.now += 30 * defaultDeadlineMs;
    expect(world.look().wakeAt).toBeUndefined();
  });
});

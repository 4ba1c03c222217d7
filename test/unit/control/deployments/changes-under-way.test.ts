/** Percentages that allow nothing, and what users change while a rollout or its way back is under way: the last intent wins, nothing is orphaned. */
import { describe, expect, it } from 'vitest';
import { decideService } from '#control/deployments/decide-service.ts';
import type { DeploymentConfiguration } from '#model/service.ts';
import { ServiceWorld } from './service-world.ts';

const breaker = { deploymentCircuitBreaker: { enable: true, rollback: true } };

function steady(desiredCount: number, percents: Partial<DeploymentConfiguration> = {}): ServiceWorld {
  return ServiceWorld.steady({ service: { desiredCount, deploymentConfiguration: { ...breaker, ...percents } } });
}

/** A rollout that has just been given up: its way back is PRIMARY and has not been looked at. */
function onItsWayBack(desiredCount: number): ServiceWorld {
  const world = steady(desiredCount);
  world.deploy(2);
  for (let round = 0; round < 4 && world.primary.rollbackOf === undefined; round += 1) {
    for (const task of world.pending()) world.end(task);
    world.look();
  }
  expect(world.primary).toMatchObject({ rolloutState: 'IN_PROGRESS' });
  expect(world.primary.rollbackOf).toBeDefined();
  return world;
}

const deadlock =
  '(service web) was unable to stop or start tasks during a deployment because of the service deployment configuration. ' +
  'Update the minimumHealthyPercent or maximumPercent value and try again.';

describe('percentages and small counts', () => {
  it('2 tasks at a minimum of 75 %: the floor is rounded up to 2, so nothing stops before something starts', () => {
    const world = steady(2, { minimumHealthyPercent: 75, maximumPercent: 200 });
    const old = world.primary;
    world.deploy(2);
    world.look();
    expect(world.alive(old)).toHaveLength(2);
    expect(world.pending()).toHaveLength(2);
  });

  it('3 tasks at a maximum of 125 %: the ceiling is rounded down to 3, so nothing starts before something stops', () => {
    const world = steady(3, { minimumHealthyPercent: 50, maximumPercent: 125 });
    const old = world.primary;
    world.deploy(2);
    world.look();
    expect(world.alive(old)).toHaveLength(2);
    expect(world.alive()).toHaveLength(3);
  });

  it.each([
    [2, 75, 100],
    [3, 100, 125],
    [1, 100, 100],
    [1, 50, 150],
    [5, 100, 100],
  ])(
    '%i tasks at minimum %i and maximum %i percent can never deploy: an event says so once, nothing is touched, and new percentages end it',
    (desired, min, max) => {
      const world = steady(desired, { minimumHealthyPercent: min, maximumPercent: max });
      const before = world.alive();
      world.deploy(2);
      world.passTime(5 * 60 * 60_000);
      expect(world.alive()).toEqual(before);
      expect(world.messages.filter((message) => message === deadlock)).toHaveLength(1);
      expect(world.primary.rolloutStateReason).toContain('a deployment configuration that lets tasks stop or start');
      world.change({ deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 200 } });
      world.passTime(120_000);
      expect(world.alive(world.primary)).toHaveLength(desired);
      expect(world.primary.rolloutState).toBe('COMPLETED');
    },
  );

  it('of a deadlock do not outlast the deadline: the rollout FAILED and its way back touches nothing', () => {
    const world = steady(2, { minimumHealthyPercent: 100, maximumPercent: 100 });
    const [good, before] = [world.primary, world.alive()];
    world.change({ tags: [{ key: 'berth:deployment-deadline', value: '10m' }] });
    world.deploy(2);
    world.passTime(11 * 60_000);
    expect(world.primary).toMatchObject({ id: good.id, rolloutState: 'COMPLETED' });
    expect(world.alive()).toEqual(before);
  });
});

describe('while a rollout is under way', () => {
  it('a scale-out starts tasks of the new revision', () => {
    const world = steady(2);
    world.deploy(2);
    world.look();
    world.change({ desiredCount: 4 });
    world.passTime(120_000);
    expect(world.alive(world.primary)).toHaveLength(4);
    expect(world.alive()).toHaveLength(4);
  });

  it('a scale to 0 stops everything and completes', () => {
    const world = steady(3);
    world.deploy(2);
    world.look();
    world.change({ desiredCount: 0 });
    world.passTime(120_000);
    expect(world.alive()).toEqual([]);
    expect(world.primary.rolloutState).toBe('COMPLETED');
  });

  it('a delete stops everything, starts nothing, and the service ends', () => {
    const world = steady(3);
    world.deploy(2);
    world.look();
    world.change({ status: 'DRAINING', desiredCount: 0 });
    world.runEverything();
    expect(world.alive()).toEqual([]);
    expect(world.service).toMatchObject({ status: 'INACTIVE', deployments: [] });
  });

  it('an update overtakes it at once', () => {
    const world = steady(2);
    world.deploy(2);
    world.look();
    world.deploy(3);
    world.passTime(120_000);
    expect(world.alive(world.primary)).toHaveLength(2);
    expect(world.service.deployments).toHaveLength(1);
  });

  it('a stop with ROLLBACK goes back, although the circuit breaker is off', () => {
    const world = ServiceWorld.steady({ service: { desiredCount: 2 } });
    const [good, before] = [world.primary, world.alive()];
    world.deploy(2);
    world.look();
    world.requestStop('ROLLBACK');
    world.passTime(120_000);
    expect(world.primary).toMatchObject({ id: good.id, rolloutState: 'COMPLETED' });
    expect(world.alive()).toEqual(before);
    expect(world.service.deployments).toHaveLength(1);
  });

  it('a stop with ABORT starts and stops nothing more, and keeps what serves', () => {
    const world = steady(2);
    const before = world.alive();
    world.deploy(2);
    world.look();
    for (const task of world.pending()) world.end(task);
    world.requestStop('ABORT');
    world.passTime(120_000);
    expect(world.primary).toMatchObject({ rolloutState: 'FAILED', failedBy: 'request' });
    expect(world.alive()).toEqual(before);
  });
});

describe('while a rollout is taken back', () => {
  it('an update overtakes the way back, and both that failed and that went back leave nothing behind', () => {
    const world = onItsWayBack(2);
    world.deploy(3);
    world.passTime(120_000);
    expect(world.alive(world.primary)).toHaveLength(2);
    expect(world.alive()).toHaveLength(2);
    expect(world.service.deployments).toHaveLength(1);
  });

  it('a rollout that overtakes it and fails goes back to the same one: a rollback during a rollback', () => {
    const world = onItsWayBack(2);
    const back = world.primary;
    world.deploy(3);
    const second = world.primary;
    for (let round = 0; round < 4 && world.primary.id === second.id; round += 1) {
      for (const task of world.pending()) world.end(task);
      world.look();
    }
    world.passTime(120_000);
    expect(world.primary).toMatchObject({ id: back.id, rollbackOf: second.id, rolloutState: 'COMPLETED' });
    expect(world.alive(back)).toHaveLength(2);
    expect(world.alive()).toHaveLength(2);
  });

  it('a scale changes what the way back wants', () => {
    const world = onItsWayBack(2);
    world.change({ desiredCount: 3 });
    world.passTime(120_000);
    expect(world.alive(world.primary)).toHaveLength(3);
    expect(world.primary.rolloutState).toBe('COMPLETED');
  });

  it('a delete ends all of it', () => {
    const world = onItsWayBack(2);
    world.change({ status: 'DRAINING', desiredCount: 0 });
    world.runEverything();
    expect(world.service.status).toBe('INACTIVE');
    expect(world.alive()).toEqual([]);
  });

  it('the old tasks that die meanwhile are replaced, and the way back completes', () => {
    const world = onItsWayBack(3);
    for (const task of world.alive().slice(0, 2)) world.end(task);
    world.passTime(120_000);
    expect(world.alive(world.primary)).toHaveLength(3);
    expect(world.primary.rolloutState).toBe('COMPLETED');
  });
});

it('of an INACTIVE service nothing is decided', () => {
  const world = steady(1);
  world.change({ status: 'INACTIVE' });
  expect(decideService(world.snapshot(), world.now)).toEqual({ actions: [] });
});

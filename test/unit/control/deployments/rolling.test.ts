/** Rolling updates of replicas; the numbers are those of the tables in docs/deployments.md. */
import { describe, expect, it } from 'vitest';
import { decideService } from '#control/deployments/decide-service.ts';
import { rolloutLimits } from '#control/deployments/limits.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { ServiceWorld } from './service-world.ts';

function percents(minimumHealthyPercent: number, maximumPercent: number, desiredCount = 3) {
  return { service: { desiredCount, deploymentConfiguration: { minimumHealthyPercent, maximumPercent } } };
}

describe('the limits', () => {
  it.each([
    [2, 75, 200, 2, 4],
    [3, 100, 125, 3, 3],
    [3, 50, 150, 2, 4],
    [4, 50, 100, 2, 4],
    [1, 100, 200, 1, 2],
    [1, 0, 100, 0, 1],
    [10, 33, 133, 4, 13],
    [0, 100, 200, 0, 0],
  ])('of %i tasks at %i %% and %i %% are %i and %i', (desired, min, max, floor, ceiling) => {
    expect(rolloutLimits(aService(percents(min, max, desired).service))).toEqual({ floor, ceiling });
  });
});

describe('a new service', () => {
  it('starts all tasks at once and is complete as soon as they run', () => {
    const world = new ServiceWorld(percents(100, 200));
    world.look();
    expect(world.pending()).toHaveLength(3);
    expect(world.primary.waiting?.reason).toBe('tasks to start');
    world.runEverything();
    expect(world.primary.rolloutState).toBe('COMPLETED');
    expect(world.primary.rolloutStateReason).toBe(`ECS deployment ${world.primary.id} completed.`);
    expect(world.messages[0]).toBe('(service web) has reached a steady state.');
    expect(world.primary.waiting).toBeUndefined();
  });

  it('replaces what dies in the look that sees it', () => {
    const world = ServiceWorld.steady(percents(100, 200));
    const [victim] = world.alive();
    if (victim !== undefined) world.end(victim);
    world.look();
    expect(world.pending()).toHaveLength(1);
    expect(world.primary.rolloutState).toBe('COMPLETED');
  });

  it('scales out and in', () => {
    const world = ServiceWorld.steady(percents(100, 200));
    world.change({ desiredCount: 5 });
    world.runEverything();
    expect(world.alive()).toHaveLength(5);
    world.change({ desiredCount: 1 });
    world.look();
    expect(world.alive()).toHaveLength(1);
    expect(world.leaving()).toHaveLength(4);
    world.change({ desiredCount: 0 });
    world.runEverything();
    expect(world.alive()).toHaveLength(0);
  });
});

describe('a rolling update', () => {
  it('with room for all starts all, and stops old tasks once the new ones have run for 40 s', () => {
    const world = ServiceWorld.steady(percents(100, 200));
    const old = world.primary;
    world.deploy(2);
    world.look();
    expect([world.alive(old).length, world.alive(world.primary).length]).toEqual([3, 3]);
    world.runEverything();
    expect(world.alive(old)).toHaveLength(3);
    world.passTime(39_000);
    expect(world.alive(old)).toHaveLength(3);
    world.passTime(1000);
    expect(world.alive(old)).toHaveLength(0);
    expect(world.service.deployments).toHaveLength(1);
    expect(world.primary.rolloutState).toBe('COMPLETED');
  });

  it('counts the 40 s anew when the clock is set back by hours meanwhile, and waits no longer than that', () => {
    const world = ServiceWorld.steady(percents(100, 200));
    const old = world.primary;
    world.deploy(2);
    world.runEverything();
    world.now -= 3 * 60 * 60_000;
    world.look();
    world.passTime(39_000);
    expect(world.alive(old)).toHaveLength(3);
    world.passTime(1000);
    expect(world.alive(old)).toHaveLength(0);
  });

  it('goes batch by batch where the ceiling is low', () => {
    const world = ServiceWorld.steady(percents(100, 150, 4));
    const old = world.primary;
    world.deploy(2);
    world.runEverything();
    expect([world.alive(old).length, world.alive(world.primary).length]).toEqual([4, 2]);
    world.passTime(40_000);
    expect([world.alive(old).length, world.alive(world.primary).length]).toEqual([2, 4]);
  });

  it('stops first where only that makes room: minimum 0, maximum 100', () => {
    const world = ServiceWorld.steady(percents(0, 100, 1));
    const old = world.primary;
    world.deploy(2);
    world.look();
    expect(world.alive(old)).toHaveLength(0);
    expect(world.alive(world.primary)).toHaveLength(1);
  });

  it('stops down to the floor where the machines are full', () => {
    const world = ServiceWorld.steady({ ...percents(50, 200, 4), capacity: 4 });
    const old = world.primary;
    world.deploy(2);
    world.look();
    expect(world.alive(old)).toHaveLength(2);
    expect(world.leaving()).toHaveLength(2);
    world.look();
    expect(world.alive(old)).toHaveLength(2);
    world.passTime(200_000);
    expect(world.alive(world.primary)).toHaveLength(4);
    expect(world.primary.rolloutState).toBe('COMPLETED');
  });

  it('keeps the old tasks when nothing fits and the floor allows no stop, and says so once', () => {
    const world = ServiceWorld.steady({ ...percents(100, 200), capacity: 3 });
    const old = world.primary;
    world.deploy(2);
    world.passTime(10 * 60_000);
    expect(world.alive(old)).toHaveLength(3);
    expect(world.messages.filter((message) => message.includes('was unable to place a task'))).toHaveLength(1);
    expect(world.primary.rolloutStateReason).toContain('Waiting: a container instance that meets the requirements');
  });

  it.each([
    ['3 tasks at 100 % and 125 %', percents(100, 125)],
    ['2 tasks at 75 % and 100 %', percents(75, 100, 2)],
    ['any number at 100 % and 100 %', percents(100, 100)],
  ])('tells of the deadlock of %s', (_, options) => {
    const world = ServiceWorld.steady(options);
    world.deploy(2);
    world.look();
    expect(world.messages[0]).toContain('was unable to stop or start tasks during a deployment');
    expect(world.pending()).toEqual([]);
    expect(world.look().actions).toEqual([]);
  });

  it('is overtaken by the next: what has not started stops at once', () => {
    const world = ServiceWorld.steady(percents(100, 200));
    const first = world.primary;
    world.deploy(2);
    world.look();
    const second = world.primary;
    world.deploy(3);
    world.look();
    expect(world.alive(second)).toEqual([]);
    expect(world.alive(first)).toHaveLength(3);
    world.passTime(60_000);
    expect(world.alive(world.primary)).toHaveLength(3);
    expect(world.service.deployments).toHaveLength(1);
  });

  it('replaces an old task that dies by one of the same revision', () => {
    const world = ServiceWorld.steady(percents(100, 200));
    const old = world.primary;
    world.deploy(2);
    world.look();
    const [victim] = world.alive(old);
    if (victim !== undefined) world.end(victim);
    world.look();
    expect(world.alive(old)).toHaveLength(3);
  });

  it('waits for HEALTHY instead of 40 s where health is checked', () => {
    const world = ServiceWorld.steady(percents(100, 200, 1));
    const old = world.primary;
    world.deploy(2);
    world.healthChecked.add(world.primary.taskDefinitionArn);
    world.passTime(300_000);
    expect(world.alive(old)).toHaveLength(1);
    for (const task of world.alive(world.primary)) world.changeTask(task, { healthStatus: 'HEALTHY' });
    world.runEverything();
    expect(world.alive(old)).toHaveLength(0);
    expect(world.primary.rolloutState).toBe('COMPLETED');
  });
});

describe('an UNHEALTHY task', () => {
  it('is replaced start-first', () => {
    const world = ServiceWorld.steady(percents(100, 200, 2));
    const [sick] = world.alive();
    if (sick !== undefined) world.changeTask(sick, { healthStatus: 'UNHEALTHY' });
    world.look();
    expect(world.alive()).toHaveLength(3);
    world.passTime(40_000);
    expect(world.alive().map(({ taskArn }) => taskArn)).not.toContain(sick?.taskArn);
  });

  it('is stopped first, one by one, where the ceiling leaves no room', () => {
    const world = ServiceWorld.steady(percents(100, 100, 3));
    for (const task of world.alive()) world.changeTask(task, { healthStatus: 'UNHEALTHY' });
    world.look();
    expect(world.leaving()).toHaveLength(1);
    world.look();
    expect(world.leaving()).toHaveLength(1);
    world.runEverything();
    expect(world.alive().filter(({ healthStatus }) => healthStatus === 'UNHEALTHY')).toEqual([]);
  });

  it('is left alone during its grace period', () => {
    const world = ServiceWorld.steady({ service: { desiredCount: 1, healthCheckGracePeriodSeconds: 120 } });
    const [task] = world.alive();
    if (task !== undefined) world.changeTask(task, { healthStatus: 'UNHEALTHY', startedAt: world.now });
    expect(world.look()).toMatchObject({ actions: [], wakeAt: world.now + 120_000 });
  });

  it('has its grace period from when control heard of its start, though its machine’s clock is a day ahead', () => {
    const world = ServiceWorld.steady({ service: { desiredCount: 1, healthCheckGracePeriodSeconds: 120 } });
    const [task] = world.alive();
    const [startedAt, runningSince] = [world.now + 86_400_000, world.now - 120_000];
    if (task !== undefined) world.changeTask(task, { healthStatus: 'UNHEALTHY', startedAt, runningSince });
    expect(world.look().actions).not.toEqual([]);
  });
});

describe('a scale-in during a rollout', () => {
  it('starts nothing as long as there are more tasks than the ceiling', () => {
    const world = ServiceWorld.steady(percents(50, 100, 6));
    world.deploy(2);
    world.look();
    expect(world.pending()).toHaveLength(3);
    world.change({ desiredCount: 4 });
    const starts = world.look().actions.filter(({ kind }) => kind === 'startTasks');
    expect(starts).toEqual([]);
    expect(world.alive().length).toBeGreaterThanOrEqual(2);
  });
});

describe('a rollout that finds no place', () => {
  it('does not stop what it started again to hold up the floor', () => {
    const world = ServiceWorld.steady(percents(100, 200));
    world.deploy(2);
    const [again] = world.alive();
    if (again !== undefined) world.changeTask(again, { lastStatus: 'PENDING' });
    const unplaced = new Map([[world.primary.id, { count: 3, explanation: 'too large', forWantOfRoom: true }]]);
    const { actions } = decideService(world.snapshot(unplaced), world.now);
    expect(actions.filter(({ kind }) => kind === 'stopTasks' || kind === 'startTasks')).toEqual([]);
  });

  it('does not stop it either beside an older task that is UNHEALTHY', () => {
    const world = ServiceWorld.steady(percents(100, 200));
    const [sick] = world.alive();
    world.deploy(2);
    if (sick !== undefined) world.changeTask(sick, { healthStatus: 'UNHEALTHY' });
    const again = {
      ...sick,
      taskArn: `${sick?.taskArn}-again`,
      lastStatus: 'PENDING',
      healthStatus: 'UNKNOWN',
    } as const;
    world.tasks.set(again.taskArn, aTask(again));
    const unplaced = new Map([[world.primary.id, { count: 3, explanation: 'too large', forWantOfRoom: true }]]);
    const stopped = decideService(world.snapshot(unplaced), world.now).actions.flatMap((action) =>
      action.kind === 'stopTasks' ? action.taskArns : [],
    );
    expect(stopped).not.toContain(again.taskArn);
  });

  it('starts no more of an older revision than were asked of it', () => {
    const world = new ServiceWorld(percents(100, 200, 0));
    world.runEverything();
    const old = world.primary;
    world.change({ desiredCount: 3 });
    world.deploy(2);
    world.look();
    expect(world.alive()).toHaveLength(3);
    expect(world.alive(old)).toEqual([]);
  });
});

describe('a DRAINING instance', () => {
  it('loses its RUNNING tasks when others have taken their place', () => {
    const world = ServiceWorld.steady(percents(100, 200));
    const [task] = world.alive();
    world.draining.add(task?.containerInstanceArn ?? '');
    world.look();
    expect(world.alive()).toHaveLength(4);
    world.draining.delete('machine-3');
    world.passTime(40_000);
    expect(world.alive().map(({ taskArn }) => taskArn)).not.toContain(task?.taskArn);
    expect(world.alive()).toHaveLength(3);
  });

  it('loses tasks that have not started at once', () => {
    const world = new ServiceWorld(percents(100, 200, 1));
    world.look();
    const [task] = world.pending();
    world.draining.add(task?.containerInstanceArn ?? '');
    world.look();
    expect(world.leaving().map(({ taskArn }) => taskArn)).toEqual([task?.taskArn]);
  });

  it('keeps its tasks at 100 % and 100 %, and says so', () => {
    const world = ServiceWorld.steady(percents(100, 100));
    world.draining.add(world.alive()[0]?.containerInstanceArn ?? '');
    world.look();
    expect(world.alive()).toHaveLength(3);
    expect(world.messages[0]).toContain('was unable to stop or start tasks');
  });
});

describe('a deleted service', () => {
  it('stops everything and is INACTIVE when the last task has ended', () => {
    const world = ServiceWorld.steady(percents(100, 200));
    world.change({ status: 'DRAINING' });
    world.look();
    expect(world.alive()).toEqual([]);
    expect(world.service.status).toBe('DRAINING');
    world.runEverything();
    expect(world.service).toMatchObject({ status: 'INACTIVE', deployments: [] });
  });
});

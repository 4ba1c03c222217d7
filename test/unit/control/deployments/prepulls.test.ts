/** Where old tasks stop before new ones can start, they go on until the images are there. */
import { describe, expect, it } from 'vitest';
import { prepullLimitMs } from '#model/prepull.ts';
import type { Task } from '#model/task.ts';
import { ServiceWorld, type WorldOptions } from './service-world.ts';

function stoppingFirst(desiredCount: number, more: Partial<WorldOptions> = {}): ServiceWorld {
  const deploymentConfiguration = { minimumHealthyPercent: 0, maximumPercent: 100 };
  const world = ServiceWorld.steady({ service: { desiredCount, deploymentConfiguration }, ...more });
  for (const { containerInstanceArn = '' } of world.alive()) world.prepulls.set(containerInstanceArn, 'due');
  return world;
}

const machines = (tasks: readonly Task[]): string[] =>
  tasks.map(({ containerInstanceArn = '' }) => containerInstanceArn);
const asked = ({ actions }: ReturnType<ServiceWorld['look']>) => actions.filter(({ kind }) => kind === 'prepull');

describe('a deployment that has to stop first', () => {
  it('asks for the images, and stops an old task when its machine has them', () => {
    const world = stoppingFirst(2);
    const old = world.primary;
    const [first = '', second = ''] = machines(world.alive());
    world.deploy(2);
    expect(asked(world.look())).toMatchObject([
      { deploymentId: world.primary.id, containerInstanceArns: expect.any(Array) },
    ]);
    expect(world.alive(old)).toHaveLength(2);
    expect(world.primary.waiting).toEqual({
      reason: 'its images to be pulled before old tasks stop',
      until: world.now + prepullLimitMs,
    });
    expect(world.look()).toMatchObject({ changed: false, actions: [] });
    world.prepulls.delete(first);
    world.look();
    expect(machines(world.alive(old))).toEqual([second]);
    world.prepulls.delete(second);
    world.passTime(60_000);
    expect(world.alive(world.primary)).toHaveLength(2);
    expect(world.primary.rolloutState).toBe('COMPLETED');
  });

  it('asks no more machines than it would stop tasks', () => {
    const world = ServiceWorld.steady({
      service: { desiredCount: 4, deploymentConfiguration: { minimumHealthyPercent: 75, maximumPercent: 100 } },
    });
    for (const machine of machines(world.alive())) world.prepulls.set(machine, 'due');
    world.deploy(2);
    expect(asked(world.look())).toMatchObject([{ containerInstanceArns: { length: 1 } }]);
    expect(world.leaving()).toEqual([]);
  });

  it('waits so long and no longer', () => {
    const world = stoppingFirst(1);
    const old = world.primary;
    world.deploy(2);
    world.passTime(prepullLimitMs - 1);
    expect(world.alive(old)).toHaveLength(1);
    world.passTime(1);
    expect(world.alive(old)).toHaveLength(0);
    expect(world.alive(world.primary)).toHaveLength(1);
  });

  it('does the same where machines, not percentages, leave no room', () => {
    const percents = { minimumHealthyPercent: 0, maximumPercent: 200 };
    const world = stoppingFirst(1, { capacity: 1, service: { desiredCount: 1, deploymentConfiguration: percents } });
    const old = world.primary;
    world.deploy(2);
    world.look();
    expect(world.alive(old)).toHaveLength(1);
    world.prepulls.clear();
    world.passTime(60_000);
    expect(world.alive(world.primary)).toHaveLength(1);
  });

  it('of daemons goes machine by machine', () => {
    const world = new ServiceWorld({
      service: {
        schedulingStrategy: 'DAEMON',
        desiredCount: 0,
        deploymentConfiguration: { minimumHealthyPercent: 0, maximumPercent: 100 },
      },
    });
    for (const containerInstanceArn of ['machine-0', 'machine-1']) {
      world.daemonInstances.push({
        containerInstanceArn,
        suitable: true,
        draining: false,
        connected: true,
        inUse: false,
      });
    }
    world.passTime(60_000);
    const old = world.primary;
    world.prepulls.set('machine-0', 'due');
    world.deploy(2);
    expect(asked(world.look())).toMatchObject([{ containerInstanceArns: ['machine-0'] }]);
    world.passTime(60_000);
    expect(machines(world.alive(old))).toEqual(['machine-0']);
    expect(world.look().waiting?.reason).toBe('its images to be pulled before old tasks stop');
    world.prepulls.clear();
    world.passTime(60_000);
    expect(world.alive(world.primary)).toHaveLength(2);
  });
});

describe('nothing is waited for', () => {
  it('where new tasks start first', () => {
    const world = ServiceWorld.steady({ service: { desiredCount: 1 } });
    for (const machine of machines(world.alive())) world.prepulls.set(machine, 'due');
    world.deploy(2);
    expect(asked(world.look())).toEqual([]);
    expect(world.pending()).toHaveLength(1);
  });

  it('when an old task does not serve', () => {
    const world = stoppingFirst(1);
    const old = world.primary;
    for (const task of world.alive()) world.changeTask(task, { healthStatus: 'UNHEALTHY' });
    world.deploy(2);
    expect(asked(world.look())).toEqual([]);
    expect(world.alive(old)).toHaveLength(0);
  });
});

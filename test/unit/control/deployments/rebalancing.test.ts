/** Moving tasks of a service at rest to where it is spread better; docs/deployments.md. */
import { describe, expect, it } from 'vitest';
import type { Balance } from '#control/deployments/snapshot.ts';
import { ServiceWorld, type WorldOptions } from './service-world.ts';

/** All on machines of zone `a` (0 and 1); `b` (2 and 3) joins. What fits is not asked here. */
function zoned(world: ServiceWorld): Balance | undefined {
  const inZone = (machines: readonly string[]) =>
    world.alive().filter(({ containerInstanceArn = '' }) => machines.includes(containerInstanceArn));
  const [a, b] = [inZone(['machine-0', 'machine-1']), inZone(['machine-2', 'machine-3'])];
  const victim = a.findLast(({ protectedUntil = 0 }) => protectedUntil <= world.now);
  const uneven = a.length - b.length > 1 && victim !== undefined;
  return {
    cause: 'zones',
    counts: [
      ['a', a.length],
      ['b', b.length],
    ],
    balanced: Math.abs(a.length - b.length) <= 1,
    ...(uneven ? { proposal: { victim: victim.taskArn, containerInstanceArn: 'machine-2', to: 'b' } } : {}),
  };
}

function crowded({ service, ...options }: WorldOptions = {}): ServiceWorld {
  const world = new ServiceWorld({ ...options, service: { desiredCount: 4, ...service } });
  for (const machine of ['machine-2', 'machine-3']) world.draining.add(machine);
  world.runEverything();
  world.passTime(60_000);
  world.draining.clear();
  world.balance = zoned;
  return world;
}

const onB = (world: ServiceWorld): number =>
  world.alive().filter(({ containerInstanceArn }) => containerInstanceArn === 'machine-2').length;

describe('rebalancing', () => {
  it('starts one task in the emptiest zone first, and stops one in the fullest when it is healthy', () => {
    const world = crowded();
    const { actions } = world.look();
    expect(actions.filter(({ kind }) => kind === 'moveTask')).toHaveLength(1);
    expect(actions.filter(({ kind }) => kind === 'stopTasks')).toEqual([]);
    expect(world.alive()).toHaveLength(5);
    const [replacement] = world.pending();
    if (replacement === undefined) throw new Error('no replacement');
    world.run(replacement);
    world.look();
    expect(world.leaving(), 'the replacement has not run for 40 s').toEqual([]);
    world.now += 40_000;
    expect(world.look().actions).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'stopTasks', reason: expect.stringContaining('Rebalancing initiated by') }),
      ]),
    );
    expect(world.leaving()).toHaveLength(1);
  });

  it('goes on one task at a time until it is even, says so in ECS’s words, and rests', () => {
    const world = crowded();
    world.passTime(10 * 60_000);
    expect(onB(world)).toBe(2);
    expect(world.alive()).toHaveLength(4);
    expect(world.service).not.toHaveProperty('rebalancing');
    const told = world.messages.toReversed();
    expect(told).toContain(
      '(service web) is not AZ balanced with 4 tasks in a, 0 tasks in b. AZ Rebalancing in progress.',
    );
    expect(told).toContain('(service web) is AZ balanced with 2 tasks in a, 2 tasks in b.');
    expect(told.filter((message) => message.includes('due to AZ rebalancing'))).toHaveLength(2);
    expect(world.look()).toMatchObject({ actions: [], changed: false });
  });

  it('respects maximumPercent: without room above the desired count nothing moves', () => {
    const world = crowded({ service: { deploymentConfiguration: { maximumPercent: 100 } } });
    world.passTime(10 * 60_000);
    expect(onB(world)).toBe(0);
  });

  it('waits until the service is steady', () => {
    const world = crowded();
    world.deploy(2);
    expect(world.look().actions.filter(({ kind }) => kind === 'moveTask')).toEqual([]);
  });

  it('gives a move up for a deployment, and leaves nothing behind', () => {
    const world = crowded();
    world.look();
    world.balance = () => undefined;
    world.deploy(2);
    world.passTime(10 * 60_000);
    expect(world.alive(world.primary)).toHaveLength(4);
    expect(world.alive()).toHaveLength(4);
    expect(world.service).not.toHaveProperty('rebalancing');
    expect(world.messages.join('\n')).toContain('has stopped AZ rebalancing');
  });

  it('gives a move up when its replacement dies, and keeps the task that was to go', () => {
    const world = crowded();
    const before = world.alive();
    world.look();
    const [replacement] = world.pending();
    if (replacement === undefined) throw new Error('no replacement');
    world.balance = () => undefined;
    world.end(replacement);
    world.passTime(10 * 60_000);
    expect(world.alive().map(({ taskArn }) => taskArn)).toEqual(before.map(({ taskArn }) => taskArn));
  });

  it('stops no task that was protected meanwhile', () => {
    const world = crowded();
    world.look();
    const victim = world.tasks.get(world.service.rebalancing?.move?.victim ?? '');
    if (victim === undefined) throw new Error('no victim');
    world.protect(victim, 60 * 60_000);
    world.passTime(10 * 60_000);
    expect(world.tasks.get(victim.taskArn)).toMatchObject({ desiredStatus: 'RUNNING', lastStatus: 'RUNNING' });
    expect(world.alive()).toHaveLength(4);
  });

  it('takes a scale-out meanwhile for what it is', () => {
    const world = crowded();
    world.look();
    world.balance = () => undefined;
    world.change({ desiredCount: 5 });
    world.passTime(10 * 60_000);
    expect(world.alive()).toHaveLength(5);
    expect([...world.tasks.values()]).toHaveLength(5);
  });
});

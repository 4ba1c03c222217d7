/** DAEMON services: one task on each suitable instance. */
import { describe, expect, it } from 'vitest';
import type { DaemonInstance } from '#control/deployments/snapshot.ts';
import { ServiceWorld } from './service-world.ts';

function anInstance(containerInstanceArn: string, overrides: Partial<DaemonInstance> = {}): DaemonInstance {
  return { containerInstanceArn, suitable: true, draining: false, connected: true, inUse: false, ...overrides };
}

function daemons(count: number, minimumHealthyPercent = 0): ServiceWorld {
  const world = new ServiceWorld({
    service: {
      schedulingStrategy: 'DAEMON',
      desiredCount: 0,
      deploymentConfiguration: { minimumHealthyPercent, maximumPercent: 100 },
    },
  });
  for (let index = 0; index < count; index += 1) world.daemonInstances.push(anInstance(`machine-${index}`));
  world.runEverything();
  world.passTime(60_000);
  return world;
}

const places = (world: ServiceWorld): (string | undefined)[] =>
  world
    .alive()
    .map(({ containerInstanceArn }) => containerInstanceArn)
    .toSorted((a, b) => ((a ?? '') < (b ?? '') ? -1 : 1));

describe('a DAEMON service', () => {
  it('runs one task on each instance and shows their number', () => {
    const world = daemons(3);
    expect(places(world)).toEqual(['machine-0', 'machine-1', 'machine-2']);
    expect(world.service.desiredCount).toBe(3);
    expect(world.primary.rolloutState).toBe('COMPLETED');
  });

  it('follows instances that come and go', () => {
    const world = daemons(2);
    world.daemonInstances.push(anInstance('machine-9'));
    world.runEverything();
    expect(places(world)).toContain('machine-9');
    world.daemonInstances = world.daemonInstances.filter(
      ({ containerInstanceArn }) => containerInstanceArn !== 'machine-0',
    );
    world.runEverything();
    expect(places(world)).toEqual(['machine-1', 'machine-9']);
  });

  it('starts nothing on an instance whose agent is silent', () => {
    const world = daemons(1);
    world.daemonInstances.push(anInstance('machine-9', { connected: false }));
    expect(world.look().waiting?.reason).toBe('container instances whose agent is connected');
    expect(places(world)).toEqual(['machine-0']);
  });

  it('leaves a DRAINING instance last', () => {
    const world = daemons(2);
    const draining = { suitable: false, draining: true };
    world.daemonInstances = [anInstance('machine-0', { ...draining, inUse: true }), anInstance('machine-1')];
    world.runEverything();
    expect(places(world)).toEqual(['machine-0', 'machine-1']);
    world.daemonInstances = [anInstance('machine-0', draining), anInstance('machine-1')];
    world.runEverything();
    expect(places(world)).toEqual(['machine-1']);
  });

  it('is updated host by host within the minimum, stopping first', () => {
    const world = daemons(4, 75);
    const old = world.primary;
    world.deploy(2);
    world.look();
    expect(world.alive(old)).toHaveLength(3);
    expect(world.pending()).toEqual([]);
    for (const task of world.leaving()) world.changeTask(task, { lastStatus: 'STOPPED', stoppedAt: world.now });
    world.look();
    expect(world.alive(world.primary)).toHaveLength(1);
    world.passTime(10 * 60_000);
    expect(world.alive(world.primary)).toHaveLength(4);
    expect(world.service.deployments).toHaveLength(1);
  });
});

/** What a service does about container instances that are silent, and about those that come back; docs/dead-hosts.md. */
import { describe, expect, it } from 'vitest';
import { ServiceWorld, type WorldOptions } from './service-world.ts';
import type { Task } from '#model/task.ts';

const minute = 60_000;

function steady(desiredCount: number, { service, ...options }: WorldOptions = {}): ServiceWorld {
  return ServiceWorld.steady({ ...options, service: { desiredCount, ...service } });
}

const tagged = (key: string, value: string) => ({ tags: [{ key, value }] });

function onMachine(world: ServiceWorld, machine: string): Task[] {
  return [...world.tasks.values()].filter(({ containerInstanceArn }) => containerInstanceArn === machine);
}

/** Ends of tasks that the service asked for. */
function stopped(world: ServiceWorld): Task[] {
  return [...world.tasks.values()].filter(({ lastStatus }) => lastStatus === 'STOPPED');
}

describe('a service whose container instance is silent', () => {
  it('replaces its tasks after the lost-after time, and not before', () => {
    const world = steady(4);
    const [task] = onMachine(world, 'machine-0');
    world.silence('machine-0');
    expect(world.look().wakeAt).toBe(world.now + minute);
    world.passTime(minute - 1);
    expect(world.alive()).toHaveLength(4);
    expect(world.lost()).toEqual([]);
    world.passTime(1);
    expect(world.lost()).toMatchObject([{ taskArn: task?.taskArn, lastStatus: 'RUNNING', desiredStatus: 'RUNNING' }]);
    expect(world.alive()).toHaveLength(4);
    expect(onMachine(world, 'machine-0')).toHaveLength(1);
    expect(world.messages.join('\n')).toContain('has lost 1 tasks on container instances that are silent');
  });

  it.each([
    ['5', 5000],
    ['90s', 90_000],
    ['5m', 5 * minute],
    ['1h30m', 90 * minute],
  ])('waits as long as its tag says: %s', (value, ms) => {
    const world = steady(1, { service: tagged('berth:lost-after', value) });
    world.silence('machine-0');
    world.passTime(ms - 1);
    expect(world.lost()).toEqual([]);
    world.passTime(1);
    expect(world.lost()).toHaveLength(1);
    expect(world.alive()).toHaveLength(1);
  });

  it.each([
    ['its tag is never', { service: tagged('berth:lost-after', 'never') }],
    ['control’s default is 0', { lostAfterMs: 0 }],
  ])('waits for ever when %s', (_, options) => {
    const world = steady(2, options);
    world.silence('machine-0');
    world.passTime(30 * 24 * 60 * minute);
    expect(world.lost()).toEqual([]);
    expect([...world.tasks.values()]).toHaveLength(2);
  });

  it('acts on a tag that changes meanwhile at its next look', () => {
    const world = steady(1, { service: tagged('berth:lost-after', 'never') });
    world.silence('machine-0');
    world.passTime(10 * minute);
    world.change(tagged('berth:lost-after', '1m'));
    world.look();
    expect(world.lost()).toHaveLength(1);
  });

  it('is steady without its lost tasks, and completes deployments without them', () => {
    const world = steady(2);
    world.silence('machine-0');
    world.passTime(2 * minute);
    expect(world.look().waiting).toBeUndefined();
    expect(world.messages[0]).toContain('has reached a steady state');
    world.deploy(2);
    world.passTime(5 * minute);
    expect(world.primary.rolloutState).toBe('COMPLETED');
    expect(world.service.deployments).toHaveLength(1);
    expect(world.lost()).toHaveLength(1);
  });

  it('loses tasks that were asked to stop there too, so that they hold up no rollout', () => {
    const world = steady(2);
    world.deploy(2);
    world.silence('machine-0');
    world.silence('machine-1');
    world.passTime(10 * minute);
    expect(world.service.deployments).toHaveLength(1);
    expect(world.primary.rolloutState).toBe('COMPLETED');
  });

  it('keeps a daemon as it was last known: it has nowhere else to go', () => {
    const world = new ServiceWorld({
      service: {
        schedulingStrategy: 'DAEMON',
        desiredCount: 0,
        deploymentConfiguration: { minimumHealthyPercent: 0, maximumPercent: 100 },
      },
    });
    const instance = { suitable: true, draining: false, connected: true, inUse: false };
    world.daemonInstances = [{ ...instance, containerInstanceArn: 'machine-0' }];
    world.runEverything();
    world.silence('machine-0');
    world.daemonInstances = [{ ...instance, containerInstanceArn: 'machine-0', connected: false }];
    world.passTime(60 * minute);
    expect(world.alive()).toMatchObject([{ lastStatus: 'RUNNING', containerInstanceArn: 'machine-0' }]);
    expect(world.lost()).toEqual([]);
  });

  it('ends when it is deleted: what is lost is asked to stop and not waited for', () => {
    const world = steady(2);
    world.silence('machine-0');
    world.change({ status: 'DRAINING', desiredCount: 0 });
    world.passTime(minute - 1);
    expect(world.service.status).toBe('DRAINING');
    world.passTime(1);
    expect(world.service.status).toBe('INACTIVE');
    expect(world.lost()).toMatchObject([{ desiredStatus: 'STOPPED' }]);
  });

  it('counts neither start nor crash of a lost task', () => {
    const world = new ServiceWorld({ service: { desiredCount: 1 } });
    world.look();
    world.silence('machine-0');
    world.passTime(10 * minute);
    expect(world.primary).toMatchObject({ failedTasks: 0, rolloutState: 'COMPLETED' });
    expect(world.primary.progress?.probation).toHaveLength(1);
  });
});

describe('of a lost task whose instance is back and its replacement, by berth:on-return', () => {
  it('the replacement stays, and the other stops when it serves in its place (newest)', () => {
    const world = steady(1);
    const [original] = world.alive();
    world.silence('machine-0');
    world.passTime(minute);
    const [replacement] = world.alive();
    world.answer('machine-0');
    world.look();
    expect(world.lost(), 'the replacement has not run for 40 s').toMatchObject([{ desiredStatus: 'RUNNING' }]);
    world.passTime(minute);
    expect(world.alive()).toMatchObject([{ taskArn: replacement?.taskArn }]);
    expect(stopped(world)).toMatchObject([{ taskArn: original?.taskArn, stopCode: 'ServiceSchedulerInitiated' }]);
  });

  it('the one that is back stays when it has run for 40 s again, and the replacement stops (original)', () => {
    const world = steady(1, { service: tagged('berth:on-return', 'original') });
    const [original] = world.alive();
    world.silence('machine-0');
    world.passTime(3 * minute);
    const [replacement] = world.alive();
    world.answer('machine-0');
    world.passTime(39_999);
    expect(world.alive()).toMatchObject([{ taskArn: replacement?.taskArn }]);
    world.passTime(1);
    expect(world.alive()).toMatchObject([{ taskArn: original?.taskArn }]);
    expect(stopped(world)).toMatchObject([{ taskArn: replacement?.taskArn }]);
  });

  it('the one that is back goes when it does not run well (original)', () => {
    const world = steady(1, { service: tagged('berth:on-return', 'original') });
    const [original] = world.alive();
    if (original === undefined) throw new Error('no task');
    world.silence('machine-0');
    world.passTime(3 * minute);
    const [replacement] = world.alive();
    world.answer('machine-0');
    world.changeTask(original, { healthStatus: 'UNHEALTHY' });
    world.passTime(2 * minute);
    expect(world.alive()).toMatchObject([{ taskArn: replacement?.taskArn }]);
    expect(world.lost()).toEqual([]);
  });

  it('what the agent no longer runs is STOPPED as it reports, and nothing else changes', () => {
    const world = steady(2);
    const [original] = onMachine(world, 'machine-0');
    if (original === undefined) throw new Error('no task');
    world.silence('machine-0');
    world.passTime(3 * minute);
    const before = world.alive().map(({ taskArn }) => taskArn);
    world.answer('machine-0');
    world.end(original);
    world.passTime(3 * minute);
    expect(world.alive().map(({ taskArn }) => taskArn)).toEqual(before);
  });

  it('the one that is back is simply taken up again when nothing could replace it', () => {
    const world = steady(2, { capacity: 2 });
    world.silence('machine-0');
    world.passTime(3 * minute);
    expect(world.alive()).toHaveLength(1);
    world.answer('machine-0');
    world.look();
    expect(world.alive()).toHaveLength(2);
    expect([...world.tasks.values()]).toHaveLength(2);
    expect(world.messages.join('\n')).toContain('has 1 lost tasks back');
  });

  it('the one that is back is taken up again when its replacement dies', () => {
    const world = steady(1);
    const [original] = world.alive();
    world.silence('machine-0');
    world.passTime(minute);
    world.answer('machine-0');
    const [replacement] = world.alive();
    if (replacement === undefined) throw new Error('no replacement');
    world.end(replacement);
    world.look();
    expect(world.alive()).toMatchObject([{ taskArn: original?.taskArn }]);
  });

  it.each(['newest', 'original'])('none is stopped while it is protected (%s)', (value) => {
    const world = steady(1, { service: tagged('berth:on-return', value) });
    const [original] = world.alive();
    world.silence('machine-0');
    world.passTime(3 * minute);
    const [replacement] = world.alive();
    const shielded = value === 'newest' ? original : replacement;
    if (shielded === undefined) throw new Error('no task');
    world.protect(shielded, 30 * minute);
    world.answer('machine-0');
    world.passTime(29 * minute);
    expect(stopped(world)).toEqual([]);
    expect(world.look().waiting).toBeDefined();
    world.passTime(2 * minute);
    expect(world.alive()).toHaveLength(1);
    expect(world.lost()).toEqual([]);
  });

  it('the older revision goes when a deployment happened meanwhile', () => {
    const world = steady(1, { service: tagged('berth:on-return', 'original') });
    world.silence('machine-0');
    world.passTime(3 * minute);
    world.deploy(2);
    world.passTime(5 * minute);
    world.answer('machine-0');
    world.passTime(5 * minute);
    expect(world.alive(world.primary)).toHaveLength(1);
    expect(world.alive()).toHaveLength(1);
    expect(world.lost()).toEqual([]);
  });

  it('both go when the service was scaled to nothing', () => {
    const world = steady(2);
    world.silence('machine-0');
    world.passTime(3 * minute);
    world.change({ desiredCount: 0 });
    world.answer('machine-0');
    world.passTime(5 * minute);
    expect([...world.tasks.values()].every(({ lastStatus }) => lastStatus === 'STOPPED')).toBe(true);
  });

  it('those on an instance that is DRAINING go', () => {
    const world = steady(2, { service: tagged('berth:on-return', 'original') });
    world.silence('machine-0');
    world.passTime(3 * minute);
    world.draining.add('machine-0');
    world.answer('machine-0');
    world.passTime(5 * minute);
    expect(onMachine(world, 'machine-0').every(({ lastStatus }) => lastStatus === 'STOPPED')).toBe(true);
    expect(world.alive()).toHaveLength(2);
  });
});

describe('an agent whose link flaps', () => {
  it('every 3 s for 10 minutes loses nothing: silence is counted anew each time', () => {
    const world = steady(4);
    for (let flap = 0; flap < 200; flap += 1) {
      if (flap % 2 === 0) world.silence('machine-0');
      else world.answer('machine-0');
      world.passTime(3000);
    }
    expect([...world.tasks.values()]).toHaveLength(4);
  });

  it.each(['newest', 'original'])(
    'causes at most one reschedule of a task per lost-after time, however short (%s)',
    (value) => {
      const tags = [
        { key: 'berth:lost-after', value: '1s' },
        { key: 'berth:on-return', value },
      ];
      const world = steady(4, { service: { tags } });
      for (let flap = 0; flap < 200; flap += 1) {
        if (flap % 2 === 0) world.silence('machine-0');
        else world.answer('machine-0');
        world.passTime(3000);
      }
      expect([...world.tasks.values()].length - 4).toBeLessThanOrEqual(100);
      world.answer('machine-0');
      world.passTime(10 * minute);
      expect(world.alive()).toHaveLength(4);
      expect(world.lost()).toEqual([]);
    },
  );
});

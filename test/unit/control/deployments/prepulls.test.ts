/** Where old tasks stop before new ones can start, they go on until the images are there. */
import { describe, expect, it } from 'vitest';
import { prepullLimitMs } from '#model/prepull.ts';
import type { Task } from '#model/task.ts';
import { ServiceWorld, type WorldOptions } from './service-world.ts';

function stoppingFirst(desiredCount: number, more: Partial<WorldOptions> = {}): ServiceWorld {
  const deploymentConfiguration = { minimumHealthyPercent: 0, maximumPercent: 100 };
  const world = ServiceWorld.steady({ service: { desiredCount, deploymentConfiguration }, ...more });
  for (const { containerInstanceArn = '' } of world.alive()) world.prepulls.set(containerInstanceArn, undefined);
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
    for (const machine of machines(world.alive())) world.prepulls.set(machine, undefined);
    world.deploy(2);
    expect(asked(world.look())).toMatchObject([{ containerInstanceArns: { length: 1 } }]);
    expect(world.leaving()).toEqual([]);
  });

  it('asks again a machine that says nothing, and the old task goes on', () => {
    const world = stoppingFirst(1);
    const old = world.primary;
    world.deploy(2);
    world.passTime(prepullLimitMs - 1);
    expect(asked(world.look())).toEqual([]);
    world.now += 1;
    expect(asked(world.look())).toHaveLength(1);
    world.passTime(60 * 60_000);
    expect(world.alive(old)).toHaveLength(1);
    expect(world.primary).toMatchObject({ rolloutState: 'IN_PROGRESS', failedTasks: 0 });
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
    world.prepulls.set('machine-0', undefined);
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
    for (const machine of machines(world.alive())) world.prepulls.set(machine, undefined);
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

describe('a pull that fails', () => {
  const missing = 'CannotPullImageManifestError: the registry has no such image: manifest unknown';
  const away = 'CannotPullContainerError: the registry cannot be reached: i/o timeout';
  const breaker = (rollback: boolean) => ({
    minimumHealthyPercent: 0,
    maximumPercent: 100,
    deploymentCircuitBreaker: { enable: true, rollback },
  });

  /** The pull of the machine fails, as often as it is asked for, until `ms` have passed. Answers when it was asked. */
  function failPulls(world: ServiceWorld, machine: string, reason: string, ms: number): number[] {
    const [start, times] = [world.now, [] as number[]];
    while (world.now - start <= ms) {
      const { wakeAt = Infinity } = world.look();
      const pull = world.prepulls.get(machine);
      if (pull?.askedAt === world.now && pull.outcome === undefined) {
        times.push(world.now - start);
        world.tell(machine, { kind: 'failed', reason });
        continue;
      }
      world.now = Math.min(Math.max(wakeAt, world.now + 1), start + ms + 1);
    }
    return times;
  }

  it.each([
    ['wrong password', 'CannotPullContainerAuthError: the registry wants other credentials: denied'],
    ['no such image', missing],
    ['another platform', 'CannotPullImageManifestError: the image is not made for this machine: no matching manifest'],
    ['rate-limited', 'CannotPullContainerError: the registry limits pulls: toomanyrequests'],
    ['network', away],
    ['disk full', 'CannotPullContainerError: there is no space left for the image: no space left on device'],
    ['too long', 'DockerTimeoutError: the pull took too long: silent for a minute'],
  ])('keeps the old task, says why, and is tried again: %s', (_, reason) => {
    const world = stoppingFirst(1);
    const [task] = world.alive();
    const machine = task?.containerInstanceArn ?? '';
    world.deploy(2);
    world.look();
    world.tell(machine, { kind: 'failed', reason });
    world.look();
    expect(world.alive()).toEqual([task]);
    expect(world.primary.waiting).toEqual({
      reason: `images that could not be pulled before old tasks stop, which go on; on container instance ${machine}: ${reason}`,
      until: world.now + 10_000,
    });
    expect(world.messages[0]).toContain(`was unable to pull the images of (deployment ${world.primary.id})`);
    world.now += 10_000;
    expect(asked(world.look())).toHaveLength(1);
    world.tell(machine, { kind: 'pulled' });
    world.passTime(60_000);
    expect(world.primary.rolloutState).toBe('COMPLETED');
    expect(world.alive(world.primary)).toHaveLength(1);
  });

  it('is tried again after delays that grow to 15 minutes, for ever when there is no circuit breaker', () => {
    const world = stoppingFirst(1);
    const old = world.primary;
    const [machine = ''] = machines(world.alive());
    world.deploy(2);
    const times = failPulls(world, machine, missing, 3 * 60 * 60_000);
    const delays = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(delays.slice(0, 4)).toEqual([10_000, 20_000, 40_000, 80_000]);
    expect(Math.max(...delays)).toBe(15 * 60_000);
    expect(world.alive(old)).toHaveLength(1);
    expect(world.primary).toMatchObject({ rolloutState: 'IN_PROGRESS', failedTasks: 0 });
  });

  it('counts once, however often one looks', () => {
    const world = stoppingFirst(1);
    const [machine = ''] = machines(world.alive());
    world.deploy(2);
    world.look();
    world.tell(machine, { kind: 'failed', reason: away });
    world.look();
    world.look();
    expect(world.look()).toMatchObject({ changed: false });
    expect(world.primary.progress).toMatchObject({ failedPulls: 1, failures: 1 });
  });

  it('trips the circuit breaker like a failed start, and the way back touches nothing', () => {
    const world = stoppingFirst(1, { service: { desiredCount: 1, deploymentConfiguration: breaker(true) } });
    const [good, [task]] = [world.primary, world.alive()];
    world.deploy(2);
    const bad = world.primary;
    failPulls(world, task?.containerInstanceArn ?? '', away, 10 * 60_000);
    expect(world.primary).toMatchObject({ id: good.id, rollbackOf: bad.id, rolloutState: 'COMPLETED' });
    expect(world.alive()).toEqual([task]);
  });

  it('of an image that is missing fails the deployment the third time', () => {
    const thresholdConfiguration = { type: 'COUNT', value: 100 } as const;
    const deploymentConfiguration = {
      ...breaker(false),
      deploymentCircuitBreaker: { enable: true, rollback: false, thresholdConfiguration },
    };
    const world = stoppingFirst(1, { service: { desiredCount: 1, deploymentConfiguration } });
    const old = world.primary;
    const [machine = ''] = machines(world.alive());
    world.deploy(2);
    expect(failPulls(world, machine, missing, 60 * 60_000)).toHaveLength(3);
    expect(world.primary).toMatchObject({ rolloutState: 'FAILED', failedBy: 'breaker' });
    expect(world.primary.rolloutStateReason).toContain(missing);
    expect(world.alive(old)).toHaveLength(1);
  });

  it('on one machine lets the tasks of others go first', () => {
    const world = ServiceWorld.steady({
      service: { desiredCount: 4, deploymentConfiguration: { minimumHealthyPercent: 75, maximumPercent: 100 } },
    });
    const old = world.primary;
    const all = machines(world.alive());
    for (const machine of all) world.prepulls.set(machine, undefined);
    world.deploy(2);
    world.look();
    const [broken = ''] = all.filter((machine) => world.prepulls.get(machine) !== undefined);
    world.tell(broken, { kind: 'failed', reason: 'CannotPullContainerError: there is no space left for the image' });
    for (let minute = 0; minute < 30; minute += 1) {
      for (const machine of all) {
        if (machine !== broken && world.prepulls.get(machine)?.outcome === undefined && world.prepulls.get(machine)) {
          world.tell(machine, { kind: 'pulled' });
        }
      }
      world.passTime(60_000);
    }
    expect(machines(world.alive(old))).toEqual([broken]);
    expect(world.alive(world.primary)).toHaveLength(3);
  });

  it('of a daemon keeps the old one', () => {
    const world = new ServiceWorld({
      service: { schedulingStrategy: 'DAEMON', desiredCount: 0, deploymentConfiguration: breaker(true) },
    });
    const daemon = { suitable: true, draining: false, connected: true, inUse: false };
    world.daemonInstances.push({ containerInstanceArn: 'machine-0', ...daemon });
    world.passTime(60_000);
    const [good, [task]] = [world.primary, world.alive()];
    world.prepulls.set('machine-0', undefined);
    world.deploy(2);
    const bad = world.primary;
    failPulls(world, 'machine-0', missing, 10 * 60_000);
    expect(world.alive()).toEqual([task]);
    expect(world.primary).toMatchObject({ id: good.id, rollbackOf: bad.id, rolloutState: 'COMPLETED' });
  });
});

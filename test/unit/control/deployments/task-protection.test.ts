/** Protected tasks stay through scale-ins, deployments and drains (I16, which the world checks at each look), and what waits for them says so. */
import { describe, expect, it } from 'vitest';
import type { DaemonInstance } from '#control/deployments/snapshot.ts';
import { decideProtection, type ProtectionQuestion } from '#control/deployments/task-protection.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { ServiceWorld } from './service-world.ts';

const minute = 60_000;

function services(desiredCount: number, minimumHealthyPercent = 100, maximumPercent = 200): ServiceWorld {
  const deploymentConfiguration = { minimumHealthyPercent, maximumPercent };
  return ServiceWorld.steady({ service: { desiredCount, deploymentConfiguration } });
}

/** Protects the first `count` tasks; their ARNs. */
function protect(world: ServiceWorld, count: number, ms: number): string[] {
  const chosen = world.alive().slice(0, count);
  for (const task of chosen) world.protect(task, ms);
  return chosen.map(({ taskArn }) => taskArn);
}

const arns = (world: ServiceWorld): string[] => world.alive().map(({ taskArn }) => taskArn);

describe('a scale-in', () => {
  it('takes tasks that are not protected, whatever the order would be', () => {
    const world = services(4);
    const kept = protect(world, 2, minute);
    world.change({ desiredCount: 2 });
    world.runEverything();
    expect(arns(world)).toEqual(kept);
    expect(world.look()).not.toHaveProperty('waiting');
  });

  it('stops short of protected tasks, says until when, and goes on by itself', () => {
    const world = services(4);
    const [first] = protect(world, 1, 10 * minute);
    const kept = protect(world, 3, 5 * minute);
    world.protect(world.alive()[0] ?? aTask(), 10 * minute);
    const protectedAt = world.now;
    world.change({ desiredCount: 1 });
    world.runEverything();
    expect(arns(world)).toEqual(kept);
    const { waiting, wakeAt } = world.look();
    expect(waiting?.reason).toMatch(/^the protection of 3 tasks to end, at the latest at \d{4}-.* UTC$/);
    expect(waiting?.until).toBe(protectedAt + 5 * minute);
    expect(wakeAt).toBe(waiting?.until);
    expect(world.messages[0]).toMatch(/was unable to scale in due to \(reason 3 tasks under protection\)\.$/);
    world.passTime(5 * minute);
    expect(arns(world)).toEqual([first]);
    expect(world.look()).toMatchObject({ changed: false });
    expect(world.look().waiting).toBeUndefined();
  });

  it('takes nothing below the floor while a protected task has yet to serve', () => {
    const world = services(1);
    const [serving] = world.alive();
    world.change({ desiredCount: 2 });
    world.look();
    const starting = world.alive().find((task) => task !== serving) ?? aTask();
    world.protect(starting, 10 * minute);
    world.change({ desiredCount: 1 });
    world.look();
    expect(world.alive()).toHaveLength(2);
    expect(world.look().waiting).toEqual({ reason: 'tasks to start' });
    world.runEverything();
    world.passTime(minute);
    expect(arns(world)).toEqual([starting.taskArn]);
  });

  it('to nothing waits for them as well', () => {
    const world = services(2);
    protect(world, 1, minute);
    world.change({ desiredCount: 0 });
    world.runEverything();
    expect(world.alive()).toHaveLength(1);
    world.passTime(minute);
    expect(world.alive()).toHaveLength(0);
  });
});

describe('a deployment', () => {
  it('replaces the others, and waits for the protected with all its tasks up', () => {
    const world = services(3);
    const old = world.primary;
    const kept = protect(world, 2, 30 * minute);
    world.deploy(2);
    world.passTime(minute);
    expect(world.alive(old).map(({ taskArn }) => taskArn)).toEqual(kept);
    expect(world.alive(world.primary)).toHaveLength(3);
    expect(world.primary.rolloutState).toBe('IN_PROGRESS');
    expect(world.primary.rolloutStateReason).toContain('Waiting: the protection of 2 tasks to end, at the latest at');
    expect(world.messages[0]).toContain(`(taskSet ${old.id}) was unable to scale in`);
    world.passTime(30 * minute);
    expect(world.alive(old)).toHaveLength(0);
    expect(world.primary.rolloutState).toBe('COMPLETED');
  });

  it('goes on as soon as a protection is taken back', () => {
    const world = services(1);
    const old = world.primary;
    protect(world, 1, 30 * minute);
    world.deploy(2);
    world.passTime(minute);
    expect(world.alive(old)).toHaveLength(1);
    for (const task of world.alive(old)) world.changeTask(task, { protectedUntil: world.now });
    world.runEverything();
    expect(world.alive(old)).toHaveLength(0);
  });

  it('that has to stop first stands still, and says why instead of naming a deadlock', () => {
    const world = services(2, 0, 100);
    protect(world, 2, 20 * minute);
    world.deploy(2);
    world.runEverything();
    expect(world.alive(world.primary)).toHaveLength(0);
    expect(world.primary.waiting?.reason).toContain('the protection of 2 tasks to end');
    expect(world.messages.join()).not.toContain('deployment configuration');
    world.passTime(20 * minute);
    expect(world.alive(world.primary)).toHaveLength(2);
  });

  it('for which there is no room names the protection, not the machines', () => {
    const world = ServiceWorld.steady({ capacity: 2, service: { desiredCount: 2, deploymentConfiguration: halves } });
    protect(world, 2, 20 * minute);
    world.deploy(2);
    world.runEverything();
    expect(world.primary.waiting?.reason).toContain('the protection of 2 tasks to end');
  });
});

const halves = { minimumHealthyPercent: 50, maximumPercent: 200 };

describe('a protected task', () => {
  it('on a DRAINING instance gets its replacement, and runs on until its protection ends', () => {
    const world = services(1);
    const [kept = ''] = protect(world, 1, 15 * minute);
    world.draining.add(world.tasks.get(kept)?.containerInstanceArn ?? '');
    world.passTime(minute);
    expect(world.alive()).toHaveLength(2);
    expect(world.look().waiting?.reason).toContain('the protection of 1 tasks to end');
    world.passTime(15 * minute);
    expect(arns(world)).not.toContain(kept);
    expect(world.alive()).toHaveLength(1);
  });

  it('that is UNHEALTHY is replaced all the same', () => {
    const world = services(1);
    const [sick = ''] = protect(world, 1, 15 * minute);
    world.healthChecked.add(world.primary.taskDefinitionArn);
    world.changeTask(aTask({ taskArn: sick }), { healthStatus: 'UNHEALTHY' });
    world.runEverything();
    for (const task of world.alive()) {
      if (task.taskArn !== sick) world.changeTask(task, { healthStatus: 'HEALTHY' });
    }
    world.runEverything();
    expect(arns(world)).not.toContain(sick);
  });

  it('of a deleted service stops', () => {
    const world = services(1);
    protect(world, 1, 15 * minute);
    world.change({ status: 'DRAINING' });
    world.runEverything();
    expect(world.service.status).toBe('INACTIVE');
  });

  it('of daemons holds up its own machine alone', () => {
    const world = new ServiceWorld({
      service: {
        schedulingStrategy: 'DAEMON',
        desiredCount: 0,
        deploymentConfiguration: { minimumHealthyPercent: 0, maximumPercent: 100 },
      },
    });
    const machine = (containerInstanceArn: string): DaemonInstance => ({
      containerInstanceArn,
      suitable: true,
      draining: false,
      connected: true,
      inUse: false,
    });
    world.daemonInstances.push(machine('machine-0'), machine('machine-1'));
    world.passTime(minute);
    const [kept] = protect(world, 1, 15 * minute);
    world.deploy(2);
    world.passTime(minute);
    expect(arns(world)).toContain(kept);
    expect(world.alive(world.primary)).toHaveLength(1);
    expect(world.look().waiting?.reason).toContain('the protection of 1 tasks to end');
    world.passTime(15 * minute);
    expect(world.alive(world.primary)).toHaveLength(2);
  });
});

describe('a request for protection', () => {
  const now = 1_000_000;
  const service = aService({ desiredCount: 1 });
  const task = aTask({ serviceName: service.serviceName, lastStatus: 'RUNNING' });
  const enable = { protectionEnabled: true };

  function decide(question: Partial<ProtectionQuestion>) {
    return decideProtection({ task, service, serviceTasks: [task], change: enable, ...question }, now);
  }

  it('lasts two hours unless it says otherwise, from each time it is made', () => {
    expect(decide({})).toMatchObject({ kind: 'granted', task: { protectedUntil: now + 120 * minute } });
    const renewed = { ...task, protectedUntil: now + minute };
    const change = { ...enable, expiresInMinutes: 5 };
    expect(decide({ task: renewed, change })).toMatchObject({ task: { protectedUntil: now + 5 * minute } });
  });

  it('is taken back without a trace', () => {
    const change = { protectionEnabled: false };
    const outcome = decide({ task: { ...task, protectedUntil: now + minute }, change });
    expect(outcome).toMatchObject({ kind: 'granted' });
    expect(outcome).not.toHaveProperty('task.protectedUntil');
  });

  it('is for tasks of services that are to run', () => {
    const { serviceName: _, ...standalone } = task;
    expect(decide({ task: standalone, service: undefined })).toMatchObject({ reason: 'TASK_NOT_VALID' });
    expect(decide({ task: { ...task, desiredStatus: 'STOPPED' } })).toMatchObject({ reason: 'TASK_NOT_VALID' });
    expect(decide({ task: { ...task, lastStatus: 'STOPPED' } })).toMatchObject({ reason: 'TASK_NOT_VALID' });
  });

  it('is refused while the service has more protected tasks than it wants', () => {
    const other = (protectedUntil: number) =>
      aTask({ serviceName: service.serviceName, lastStatus: 'RUNNING', protectedUntil });
    const two = [task, other(now + minute), other(now + minute)];
    expect(decide({ serviceTasks: two })).toMatchObject({
      reason: 'DEPLOYMENT_BLOCKED',
      detail: expect.stringContaining('2 protected tasks and a desired count of 1'),
    });
    expect(decide({ serviceTasks: [task, other(now + minute), other(now)] })).toMatchObject({ kind: 'granted' });
    expect(decide({ serviceTasks: two, change: { protectionEnabled: false } })).toMatchObject({ kind: 'granted' });
  });
});

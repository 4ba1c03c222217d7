/** Services whose deployments somebody else steers: each task set keeps its share of the desired count. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rolloutLimits } from '#control/deployments/limits.ts';
import { pick, seededRandom } from '#lib/random.ts';
import type { TaskSetPart } from '#model/deployment.ts';
import { computedDesiredCount, taskSetsOf, withTaskSet, type TaskSet } from '#model/task-set.ts';
import { aTaskSet } from '#test/support/builders/a-task-set.ts';
import { ServiceWorld, type WorldOptions } from './service-world.ts';

function worldOf(sets: readonly TaskSet[], { service, ...options }: WorldOptions = {}): ServiceWorld {
  return new ServiceWorld({
    ...options,
    service: {
      deploymentController: 'EXTERNAL',
      taskDefinitionArn: '',
      desiredCount: 4,
      ...service,
      deployments: sets,
    },
  });
}

function setIn(world: ServiceWorld, { id }: TaskSet): TaskSet {
  const set = taskSetsOf(world.service).find((each) => each.id === id);
  if (set === undefined) throw new Error(`no task set ${id}`);
  return set;
}

function change(world: ServiceWorld, set: TaskSet, part: Partial<TaskSetPart>): void {
  const before = setIn(world, set);
  world.service = withTaskSet(world.service, { ...before, taskSet: { ...before.taskSet, ...part } });
}

describe('the computed desired count', () => {
  it.each([
    [4, 50, 2],
    [3, 50, 2],
    [10, 12, 2],
    [1, 1, 1],
    [7, 0, 0],
    [0, 100, 0],
    [1000, 33.3, 333],
    [1000, 33.31, 334],
  ])('of %i tasks at %d percent is %i, rounded up', (desiredCount, scalePercent, computed) => {
    expect(computedDesiredCount({ desiredCount }, aTaskSet({ taskSet: { scalePercent } }))).toBe(computed);
  });
});

describe('a task set', () => {
  it('without scale starts nothing and is steady', () => {
    const set = aTaskSet({ taskSet: { scalePercent: 0 } });
    const world = worldOf([set]);
    world.look();
    expect(world.alive()).toEqual([]);
    expect(setIn(world, set).taskSet.stabilityStatus).toBe('STEADY_STATE');
  });

  it('keeps its share of the desired count, and is STABILIZING until all of it is up', () => {
    const [blue, green] = [aTaskSet({ status: 'PRIMARY' }), aTaskSet({ taskSet: { scalePercent: 25 } })];
    const world = worldOf([green, blue]);
    const { waiting } = world.look();
    expect(waiting?.reason).toBe('tasks to start');
    expect([world.alive(blue).length, world.alive(green).length]).toEqual([4, 1]);
    expect(setIn(world, green).taskSet.stabilityStatus).toBe('STABILIZING');
    expect(setIn(world, green).waiting?.reason).toBe('tasks to start');
    world.now += 5000;
    world.runEverything();
    expect(setIn(world, green).taskSet).toMatchObject({
      stabilityStatus: 'STEADY_STATE',
      stabilityStatusAt: world.now,
    });
    expect(setIn(world, green).waiting).toBeUndefined();
    expect(world.messages[0]).toBe('(service web) has reached a steady state.');
  });

  it('is scaled, and follows the service’s desired count', () => {
    const set = aTaskSet({ taskSet: { scalePercent: 50 } });
    const world = worldOf([set]);
    world.runEverything();
    expect(world.alive(set)).toHaveLength(2);
    change(world, set, { scalePercent: 100 });
    world.runEverything();
    expect(world.alive(set)).toHaveLength(4);
    world.change({ desiredCount: 1 });
    world.runEverything();
    expect(world.alive(set)).toHaveLength(1);
  });

  it('leaves the tasks of the others alone', () => {
    const [blue, green] = [aTaskSet({ status: 'PRIMARY' }), aTaskSet({ taskSet: { scalePercent: 0 } })];
    const world = worldOf([green, blue]);
    world.runEverything();
    const before = world.alive(blue).map(({ taskArn }) => taskArn);
    change(world, green, { scalePercent: 100 });
    world.runEverything();
    change(world, green, { scalePercent: 0 });
    world.runEverything();
    expect(world.alive(blue).map(({ taskArn }) => taskArn)).toEqual(before);
    expect(world.alive(green)).toEqual([]);
  });

  it('replaces what dies and what is UNHEALTHY', () => {
    const set = aTaskSet();
    const world = worldOf([set]);
    world.runEverything();
    world.now += 60_000;
    const [dying, failing] = world.alive(set);
    if (dying !== undefined) world.end(dying);
    if (failing !== undefined) world.changeTask(failing, { healthStatus: 'UNHEALTHY' });
    world.passTime(60_000);
    expect(world.alive(set)).toHaveLength(4);
    expect(world.alive(set).every(({ healthStatus }) => healthStatus !== 'UNHEALTHY')).toBe(true);
    expect(world.messages.some((text) => text.includes(`taskSet ${set.id}) (task`))).toBe(true);
  });

  it('leaves a DRAINING instance within the percentages of its own share', () => {
    const set = aTaskSet({ taskSet: { scalePercent: 50 } });
    const service = { deploymentConfiguration: { minimumHealthyPercent: 50, maximumPercent: 100 } };
    const world = worldOf([set], { service });
    world.runEverything();
    world.now += 60_000;
    for (const { containerInstanceArn = '' } of world.alive(set)) world.draining.add(containerInstanceArn);
    world.look();
    const { floor } = rolloutLimits({ ...world.service, desiredCount: 2 });
    expect([world.alive(set).length, world.leaving().length]).toEqual([1 + floor, 1]);
    expect(setIn(world, set).taskSet.stabilityStatus).toBe('STABILIZING');
  });

  it('that is deleted stops its tasks, protected ones too, and is gone with the last', () => {
    const [blue, green] = [aTaskSet({ status: 'PRIMARY' }), aTaskSet()];
    const world = worldOf([green, blue]);
    world.runEverything();
    change(world, green, { draining: true });
    world.look();
    expect(world.alive(green)).toEqual([]);
    expect(setIn(world, green).waiting?.reason).toBe('tasks to stop');
    world.runEverything();
    expect(taskSetsOf(world.service).map(({ id }) => id)).toEqual([blue.id]);
    expect(world.alive(blue)).toHaveLength(4);
  });

  it('whose tasks never start has its launches held, and no breaker gives it up', () => {
    const set = aTaskSet();
    const service = { deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } } };
    const world = worldOf([set], { service });
    for (let round = 0; round < 3; round += 1) {
      world.look();
      for (const task of world.pending()) world.end(task);
    }
    const { wakeAt } = world.look();
    expect(setIn(world, set).rolloutState).toBe('IN_PROGRESS');
    expect(setIn(world, set).waiting?.reason).toBe('a delay after tasks that failed');
    expect(wakeAt).toBe(setIn(world, set).launchesHeldUntil);
    expect(world.messages).toContain(
      `(service web, taskSet ${set.id}) is unable to consistently start tasks successfully.`,
    );
  });

  it('that finds no room says so in its own name', () => {
    const set = aTaskSet();
    const world = worldOf([set], { capacity: 3 });
    world.look();
    expect(world.messages).toContain(`(service web, taskSet ${set.id}) was unable to place a task because it is full.`);
    expect(setIn(world, set).waiting?.reason).toBe('a container instance that meets the requirements of its tasks');
  });

  it('that is at rest is not written again (I12)', () => {
    const world = worldOf([aTaskSet()]);
    world.runEverything();
    world.passTime(60_000);
    expect(world.look().changed).toBe(false);
    expect(world.look().actions).toEqual([]);
  });
});

describe('a service with the controller EXTERNAL', () => {
  it('waits for a task set as long as it has none', () => {
    const { waiting, actions } = worldOf([]).look();
    expect([waiting?.reason, actions]).toEqual(['a task set (CreateTaskSet)', []]);
  });

  it('that is deleted stops everything and becomes INACTIVE', () => {
    const world = worldOf([aTaskSet(), aTaskSet({ status: 'PRIMARY' })]);
    world.runEverything();
    world.change({ status: 'DRAINING', desiredCount: 0 });
    world.runEverything();
    expect([world.alive().length, world.service.status, world.service.deployments]).toEqual([0, 'INACTIVE', []]);
  });
});

type Happening =
  | { kind: 'run' | 'end' | 'stopDone' | 'sick' | 'protect'; seed: number }
  | { kind: 'rescale'; set: number; scalePercent: number }
  | { kind: 'scale'; desiredCount: number }
  | { kind: 'drain' | 'undrain'; machine: number }
  | { kind: 'wait'; ms: number };

const seed = fc.nat(1000);
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constantFrom('run', 'run', 'end', 'stopDone', 'sick', 'protect'), seed }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('rescale'),
      set: fc.nat(2),
      scalePercent: fc.constantFrom(0, 12.5, 50, 100),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('scale'), desiredCount: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('drain', 'undrain'), machine: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.constantFrom(1, 5000, 60_000) }) },
);

function happen(world: ServiceWorld, sets: readonly TaskSet[], event: Happening): void {
  const random = seededRandom('seed' in event ? event.seed : 0);
  const [alive, pending, leaving] = [world.alive(), world.pending(), world.leaving()];
  const [one] = alive.length > 0 ? [pick(random, alive)] : [];
  switch (event.kind) {
    case 'run':
      if (pending.length > 0) world.run(pick(random, pending));
      break;
    case 'end':
      if (one !== undefined) world.end(one);
      break;
    case 'stopDone':
      if (leaving.length > 0) world.changeTask(pick(random, leaving), { lastStatus: 'STOPPED', stoppedAt: world.now });
      break;
    case 'sick':
      if (one !== undefined) world.changeTask(one, { healthStatus: 'UNHEALTHY' });
      break;
    case 'protect':
      if (one !== undefined) world.protect(one, 60_000);
      break;
    case 'rescale': {
      const set = sets[event.set];
      if (set !== undefined) change(world, set, { scalePercent: event.scalePercent });
      break;
    }
    case 'scale':
      world.change({ desiredCount: event.desiredCount });
      break;
    case 'drain':
      world.draining.add(`machine-${event.machine}`);
      break;
    case 'undrain':
      world.draining.delete(`machine-${event.machine}`);
      break;
    case 'wait':
      world.passTime(event.ms);
      break;
  }
}

describe('whatever happens', () => {
  it('no look starts more of a set than the ceiling of its share, and in the end each set has its share (I3, I12)', () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 30 }), (events) => {
        const sets = [aTaskSet({ status: 'PRIMARY' }), aTaskSet({ taskSet: { scalePercent: 0 } }), aTaskSet()];
        const world = worldOf(sets);
        for (const event of events) {
          happen(world, sets, event);
          const before = new Map(sets.map((set) => [set.id, world.alive(set).length]));
          world.look();
          for (const set of sets) {
            const desiredCount = computedDesiredCount(world.service, setIn(world, set));
            const { ceiling } = rolloutLimits({ ...world.service, desiredCount });
            const count = world.alive(set).length;
            expect(count <= Math.max(ceiling, before.get(set.id) ?? 0)).toBe(true);
          }
        }
        world.draining.clear();
        world.passTime(30 * 60_000);
        for (const set of sets) {
          const now = setIn(world, set);
          expect(world.alive(set)).toHaveLength(computedDesiredCount(world.service, now));
          expect(now.taskSet.stabilityStatus).toBe('STEADY_STATE');
        }
      }),
      { numRuns: 150 },
    );
  });
});

/**
 * kill -9 of the agent at any of its steps, again and again, while containers end, control repeats itself and the engine comes and goes: nothing is
 * lost, nothing is there twice, statuses never go back, and once the faults stop every task is where control wants it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import { taskStatusRank } from '#model/task.ts';
import { programs } from '#test/support/container-programs.ts';
import { superviseFakeEngine, type SupervisedEngine } from '#test/support/supervised-engine.ts';

type Event =
  | { kind: 'die'; afterSteps: number }
  | { kind: 'pass'; ms: number }
  | { kind: 'assign'; id: number; shape: number }
  | { kind: 'want'; id: number }
  | { kind: 'exit'; nth: number }
  | { kind: 'remove'; nth: number }
  | { kind: 'breakAnswer'; call: 'create' | 'start' | 'stop' | 'inspect'; afterEffect: boolean }
  | { kind: 'engineDown'; ms: number; liveRestore: boolean };

const app = { name: 'app', image: 'berth-test:busybox' };
const sidecar = { image: 'berth-test:busybox', essential: false };

const definitions: Partial<TaskDefinitionBody>[] = [
  { containerDefinitions: [app] },
  {
    containerDefinitions: [
      { ...app, links: ['db'] },
      { name: 'db', ...sidecar },
    ],
  },
  {
    containerDefinitions: [
      { ...app, dependsOn: [{ containerName: 'init', condition: 'SUCCESS' }] },
      { name: 'init', ...sidecar, command: programs.succeeds.command },
    ],
  },
  { networkMode: 'awsvpc', pidMode: 'task', containerDefinitions: [app, { name: 'db', ...sidecar }] },
  { containerDefinitions: [{ ...app, command: programs.fails.command }] },
];

/** The one that ends by itself. */
const failing = definitions.length - 1;

const id = fc.integer({ min: 1, max: 3 });
const nth = fc.nat({ max: 5 });
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('die' as const), afterSteps: fc.integer({ min: 1, max: 25 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 2000 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('assign' as const), id, shape: fc.nat({ max: definitions.length - 1 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('want' as const), id }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('exit' as const), nth }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), nth }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('breakAnswer' as const),
      call: fc.constantFrom('create', 'start', 'stop', 'inspect'),
      afterEffect: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('engineDown' as const),
      ms: fc.integer({ min: 1, max: 30_000 }),
      liveRestore: fc.boolean(),
    }),
  },
);

/** What control wants, as it would know it. */
interface Wish {
  taskArn: string;
  shape: number;
  stopWanted: boolean;
}

async function play(world: SupervisedEngine, events: readonly Event[]): Promise<Wish[]> {
  const wishes = new Map<number, Wish>();
  const outside = (nthContainer: number) => world.engine.containers()[nthContainer]?.name;
  world.start();
  for (const next of events) {
    switch (next.kind) {
      case 'die':
        world.kill();
        world.start({ dieAt: next.afterSteps });
        break;
      case 'pass':
        await world.clock.advance(next.ms);
        break;
      case 'assign': {
        // A second assignment of the same task is a redelivery, whatever became of it.
        const shape = wishes.get(next.id)?.shape ?? next.shape;
        const taskArn = world.assign(next.id, definitions[shape] ?? {});
        if (!wishes.has(next.id)) wishes.set(next.id, { taskArn, shape, stopWanted: false });
        break;
      }
      case 'want': {
        const wish = wishes.get(next.id);
        if (wish === undefined) break;
        wish.stopWanted = true;
        world.want(wish.taskArn, 'STOPPED');
        break;
      }
      case 'exit':
        world.engine.exit(outside(next.nth) ?? '', 9);
        break;
      case 'remove':
        void world.engine.remove(outside(next.nth) ?? '').catch(() => undefined);
        break;
      case 'breakAnswer':
        world.engine.failNext(next.call, { kind: 'unreachable', afterEffect: next.afterEffect });
        break;
      case 'engineDown':
        world.engine.goDown();
        await world.clock.advance(next.ms);
        world.engine.comeBack({ liveRestore: next.liveRestore });
        break;
    }
  }
  return [...wishes.values()];
}

/** One last start, and time enough for every back-off and the slow look. */
async function settle(world: SupervisedEngine): Promise<void> {
  world.kill();
  world.start();
  await world.clock.advance(15 * 60_000);
}

describe('whatever happens to the agent', () => {
  it('nothing is lost, nothing is there twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(event, { maxLength: 40 }), async (seed, events) => {
        const world = superviseFakeEngine({ seed });
        try {
          const wishes = await play(world, events);
          await settle(world);
          expectOneContainerEach(world);
          expectForwardOnly(world);
          const leftAlone = !events.some(({ kind }) => kind === 'exit' || kind === 'remove' || kind === 'engineDown');
          for (const wish of wishes) expectWhereItBelongs(world, wish, leftAlone);
        } finally {
          world.close();
        }
      }),
      { numRuns: 150 },
    );
  });
});

/** A container that somebody removed is not made again once it was known to exist; a name never exists twice. */
function expectOneContainerEach(world: SupervisedEngine): void {
  const names = world.engine.containers().map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const known = new Set(world.journal.tasks().map(({ assignment }) => assignment.taskArn));
  for (const { labels } of world.engine.containers()) {
    expect(known).toContain(labels['com.amazonaws.ecs.task-arn']);
  }
}

function expectForwardOnly(world: SupervisedEngine): void {
  const last = new Map<string, number>();
  let number = 0;
  for (const report of world.reports) {
    const rank = taskStatusRank(report.lastStatus);
    expect(rank).toBeGreaterThanOrEqual(last.get(report.taskArn) ?? 0);
    last.set(report.taskArn, rank);
    expect(report.number).toBeGreaterThan(number);
    number = report.number;
  }
}

/** Ended by its own, by control or (unless all was left alone) from outside: STOPPED and nothing runs. Otherwise RUNNING with its essential container up. */
function expectWhereItBelongs(world: SupervisedEngine, { taskArn, shape, stopWanted }: Wish, leftAlone: boolean): void {
  const status = world.reported(taskArn)?.lastStatus;
  expect(['RUNNING', 'STOPPED']).toContain(status);
  if (stopWanted || shape === failing) expect(status).toBe('STOPPED');
  else if (leftAlone) expect(status).toBe('RUNNING');
  const containers = world.engine.containers().filter(({ labels }) => labels['com.amazonaws.ecs.task-arn'] === taskArn);
  const running = containers.filter(({ state }) => state === 'running');
  if (status === 'STOPPED') expect(running).toEqual([]);
  else expect(running.some(({ labels }) => labels['com.amazonaws.ecs.container-name'] === 'app')).toBe(true);
}

describe('an agent killed while a task is on its way out', () => {
  it('keeps the room on the host for it until it has stopped', async () => {
    const world = superviseFakeEngine({ capacity: { cpu: 1024, memoryMiB: 1024, gpuIds: [] } });
    const of = (memory: number, command: readonly string[]) => ({
      containerDefinitions: [{ ...app, memory, command: [...command] }],
    });
    world.start();
    const first = world.assign(1, of(1000, programs.ignoresTerm.command));
    await world.until(first, 'RUNNING');
    const large = world.assign(2, of(512, programs.serves.command));
    world.want(first, 'STOPPED');
    await world.until(first, 'STOPPING');
    world.kill();
    world.start();
    await world.clock.advance(5000);
    expect(world.reported(first)?.lastStatus).toBe('STOPPING');
    expect(world.engine.containers()).toHaveLength(1);
    await world.until(first, 'STOPPED');
    await world.until(large, 'RUNNING');
    world.close();
  });
});

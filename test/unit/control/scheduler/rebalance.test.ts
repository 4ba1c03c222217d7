/** Which task of a service would be better elsewhere. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { proposeMove, spreadFields, type MovableTask } from '#control/scheduler/rebalance.ts';
import type { PlacementRequest } from '#control/scheduler/placement-request.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aTask } from '#test/support/builders/a-task.ts';

const zoneField = 'attribute:ecs.availability-zone';
const request: PlacementRequest & { serviceName: string } = {
  count: 1,
  group: 'service:web',
  serviceName: 'web',
  launchType: 'EC2',
  resources: { cpu: 100, memoryMiB: 64, ports: [], gpuCount: 0 },
  requiredAttributes: [],
  constraints: [],
  strategy: [],
};

function inZone(zone: string, overrides: Partial<ContainerInstance> = {}): ContainerInstance {
  return aContainerInstance({ agentAttributes: [{ name: 'ecs.availability-zone', value: zone }], ...overrides });
}

interface Cluster {
  instances: readonly ContainerInstance[];
  tasks: (ReturnType<typeof aTask> & MovableTask)[];
}

function on(instance: ContainerInstance, count: number, pinned = false): Cluster['tasks'] {
  const { containerInstanceArn } = instance;
  return Array.from({ length: count }, () => ({
    ...aTask({ containerInstanceArn, serviceName: 'web' }),
    containerInstanceArn,
    pinned,
  }));
}

function propose({ instances, tasks }: Cluster, fields: readonly string[]) {
  const occupying = tasks.map((task) => ({ ...task, containerInstanceArn: task.containerInstanceArn ?? '' }));
  return proposeMove({ request, tasks, instances, occupying, fields, mayTake: () => true, random: { next: () => 0 } });
}

/** Carries out what is proposed until nothing is; answers the moves. */
function settle(cluster: Cluster, fields: readonly string[], limit: number): { victim: string; to: string }[] {
  const moves: { victim: string; to: string }[] = [];
  for (let move = propose(cluster, fields); move !== undefined; move = propose(cluster, fields)) {
    const { victim, containerInstanceArn } = move;
    moves.push({ victim, to: containerInstanceArn });
    if (moves.length > limit) throw new Error('it never ends');
    const task = cluster.tasks.find(({ taskArn }) => taskArn === victim);
    if (task !== undefined) task.containerInstanceArn = containerInstanceArn;
  }
  return moves;
}

function tasksOn(cluster: Cluster, instance: ContainerInstance): Cluster['tasks'] {
  return cluster.tasks.filter(({ containerInstanceArn }) => containerInstanceArn === instance.containerInstanceArn);
}

describe('a move', () => {
  it('takes a task from the fullest zone to the emptiest that has room', () => {
    const [a, b, c] = [inZone('a'), inZone('b'), inZone('c', { status: 'DRAINING' })];
    const tasks = [...on(a, 3), ...on(b, 1)];
    expect(propose({ instances: [a, b, c], tasks }, [zoneField])).toMatchObject({
      from: 'a',
      to: 'b',
      containerInstanceArn: b.containerInstanceArn,
    });
  });

  it('is not worth it for a difference of one', () => {
    const [a, b] = [inZone('a'), inZone('b')];
    expect(propose({ instances: [a, b], tasks: [...on(a, 2), ...on(b, 1)] }, [zoneField])).toBeUndefined();
  });

  it('takes no task that is pinned, and nothing to an instance without room', () => {
    const [a, b] = [inZone('a'), inZone('b')];
    expect(propose({ instances: [a, b], tasks: on(a, 3, true) }, [zoneField])).toBeUndefined();
    const full = inZone('b', { resources: { cpu: 10, memoryMiB: 4096, takenPorts: [], gpuIds: [] } });
    expect(propose({ instances: [a, full], tasks: on(a, 3) }, [zoneField])).toBeUndefined();
  });

  it('by instance keeps to what comes first: it evens out within a zone', () => {
    const [a1, a2, b] = [inZone('a'), inZone('a'), inZone('b')];
    const move = propose({ instances: [a1, a2, b], tasks: [...on(a1, 2), ...on(b, 2)] }, [zoneField, 'instanceId']);
    expect(move).toMatchObject({ from: a1.containerInstanceArn, to: a2.containerInstanceArn });
  });
});

describe('the fields of a spread', () => {
  it.each([
    [[], [zoneField, 'instanceId']],
    [[{ type: 'spread' as const, field: 'instanceId' }], ['instanceId']],
    [[{ type: 'spread' as const, field: 'attribute:rack' }], ['attribute:rack', 'instanceId']],
    [[{ type: 'binpack' as const, field: 'memory' }], []],
    [[{ type: 'random' as const }], []],
  ])('of %j are %j', (strategy, expected) => {
    expect(spreadFields({ strategy, serviceName: 'web' })).toEqual(expected);
  });
});

/** No group has two tasks more than another, but for what may not be moved. */
function expectEven(groups: readonly Cluster['tasks'][]): void {
  const fewest = Math.min(...groups.map(({ length }) => length));
  const tooMany = groups.filter(({ length }) => length > fewest + 1);
  expect(tooMany.flat().filter(({ pinned }) => !pinned)).toEqual([]);
}

it('moves never oscillate: they come to an end, no task goes back, and counts of what may move differ by one at most', () => {
  const machines = fc.array(
    fc.record({ zone: fc.constantFrom('a', 'b', 'c'), tasks: fc.nat(6), pinned: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 7,
    },
  );
  fc.assert(
    fc.property(
      machines,
      fc.constantFrom<string[]>([zoneField], ['instanceId'], [zoneField, 'instanceId']),
      (made, fields) => {
        const instances = made.map(({ zone }) => inZone(zone));
        const tasks = made.flatMap((each, index) => {
          const instance = instances[index];
          return instance === undefined ? [] : on(instance, each.tasks, each.pinned && each.tasks < 2);
        });
        const cluster = { instances, tasks };
        const before = new Map(tasks.map(({ taskArn, containerInstanceArn }) => [taskArn, containerInstanceArn]));
        const pinned = new Set(tasks.filter((task) => task.pinned).map(({ taskArn }) => taskArn));
        const moves = settle(cluster, fields, tasks.length * fields.length);
        expect(moves.filter(({ victim }) => pinned.has(victim))).toEqual([]);
        for (const { victim, to } of moves) {
          if (fields.length === 1) expect(to).not.toBe(before.get(victim));
        }
        const zones = Map.groupBy(instances, ({ agentAttributes }) => agentAttributes[0]?.value);
        if (fields.includes(zoneField)) {
          expectEven([...zones.values()].map((members) => members.flatMap((each) => tasksOn(cluster, each))));
        }
        const groups = fields.includes(zoneField) ? [...zones.values()] : [instances];
        for (const group of fields.includes('instanceId') ? groups : []) {
          expectEven(group.map((each) => tasksOn(cluster, each)));
        }
      },
    ),
    { numRuns: 300 },
  );
});

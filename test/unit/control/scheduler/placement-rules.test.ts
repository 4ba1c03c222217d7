/** The rules of placement one by one, as ECS states them (ecs-behaviour 5.8); what carries which reason is in place.test.ts. */
import { describe, expect, it } from 'vitest';
import { candidatesOf, type Occupant } from '#control/scheduler/candidate.ts';
import { place } from '#control/scheduler/place.ts';
import type { PlacementRequest } from '#control/scheduler/placement-request.ts';
import { removalOrder } from '#control/scheduler/scale-in.ts';
import { seededRandom } from '#lib/random.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import { aContainerInstance, type ContainerInstanceOverrides } from '#test/support/builders/a-container-instance.ts';

const small = { cpu: 100, memoryMiB: 64, ports: [], gpuCount: 0 };

function aRequest(overrides: Partial<PlacementRequest> = {}): PlacementRequest {
  return {
    count: 1,
    group: 'service:web',
    serviceName: 'web',
    launchType: 'EC2',
    resources: small,
    requiredAttributes: [],
    constraints: [],
    strategy: [],
    ...overrides,
  };
}

function on(instance: ContainerInstance, overrides: Partial<Occupant> = {}): Occupant {
  return {
    containerInstanceArn: instance.containerInstanceArn,
    group: 'service:web',
    serviceName: 'web',
    desiredStatus: 'RUNNING',
    lastStatus: 'RUNNING',
    resources: small,
    gpuIds: [],
    ...overrides,
  };
}

function having(attributes: Record<string, string>, more: ContainerInstanceOverrides = {}): ContainerInstance {
  return aContainerInstance({
    agentAttributes: Object.entries(attributes).map(([name, value]) => ({ name, value })),
    ...more,
  });
}

/** How many tasks each instance got, in the order given. */
function spreadOf(request: PlacementRequest, instances: ContainerInstance[], occupying: Occupant[] = []): number[] {
  const { placements } = place(request, instances, occupying, seededRandom(1));
  return instances.map(
    ({ containerInstanceArn }) =>
      placements.filter((each) => each.containerInstanceArn === containerInstanceArn).length,
  );
}

function reasons(request: PlacementRequest, instances: ContainerInstance[], occupying: Occupant[] = []): string[] {
  const { refused } = place(request, instances, occupying, seededRandom(1));
  return (refused?.failures ?? []).map(({ reason }) => reason);
}

describe('the order of the rules', () => {
  const picky = aRequest({
    requiredAttributes: [{ name: 'ecs.capability.x' }],
    constraints: [{ type: 'memberOf', expression: 'attribute:disk == ssd' }, { type: 'distinctInstance' }],
    resources: { ...small, cpu: 100_000 },
  });
  const able = { name: 'ecs.capability.x' };
  const ssd = { name: 'disk', value: 'ssd' };

  it('required attributes come before constraints, constraints before room', () => {
    const nothing = aContainerInstance();
    const elsewhere = aContainerInstance({ agentAttributes: [able] });
    const taken = aContainerInstance({ agentAttributes: [able, ssd] });
    const full = aContainerInstance({ agentAttributes: [able, ssd] });
    expect(reasons(picky, [nothing, elsewhere, taken, full], [on(taken)])).toEqual([
      'ATTRIBUTE',
      'LOCATION',
      'LOCATION',
      'RESOURCE:CPU',
    ]);
  });

  it('the closest match is the instance that met most of them', () => {
    const [nothing, full] = [aContainerInstance(), aContainerInstance({ agentAttributes: [able, ssd] })];
    const { refused } = place(picky, [nothing, full], [], seededRandom(1));
    expect(refused?.explanation).toContain('has insufficient CPU units available');
  });

  it('constraints come before strategies: the emptiest instance does not win against a constraint', () => {
    const [empty, busy] = [aContainerInstance(), having({ disk: 'ssd' })];
    const request = aRequest({
      constraints: [{ type: 'memberOf', expression: 'attribute:disk == ssd' }],
      strategy: [{ type: 'spread', field: 'instanceId' }],
    });
    expect(spreadOf(request, [empty, busy], [on(busy), on(busy)])).toEqual([0, 1]);
  });

  it('the constraints of the definition hold as well as those of the request: all of them', () => {
    const constraints = [
      { type: 'memberOf', expression: 'attribute:disk == ssd' },
      { type: 'memberOf', expression: 'attribute:rack == a' },
    ] as const;
    const instances = [having({ disk: 'ssd' }), having({ rack: 'a' }), having({ disk: 'ssd', rack: 'a' })];
    expect(spreadOf(aRequest({ constraints }), instances)).toEqual([0, 0, 1]);
  });
});

describe('distinctInstance', () => {
  const request = aRequest({ constraints: [{ type: 'distinctInstance' }] });

  it('counts the tasks of the same group and no others', () => {
    const machine = aContainerInstance();
    expect(reasons(request, [machine], [on(machine, { group: 'service:db', serviceName: 'db' })])).toEqual([]);
    expect(reasons(request, [machine], [on(machine)])).toEqual(['LOCATION']);
  });

  it('does not count a task that is to stop', () => {
    const machine = aContainerInstance();
    expect(reasons(request, [machine], [on(machine, { desiredStatus: 'STOPPED' })])).toEqual([]);
  });

  it('holds for a task group of RunTask too', () => {
    const machine = aContainerInstance();
    const batch = { count: 2, group: 'batch', constraints: request.constraints };
    const { serviceName: _, ...ofNoService } = aRequest(batch);
    expect(spreadOf(ofNoService, [machine])).toEqual([1]);
  });
});

describe('spread', () => {
  it('is over any attribute, and instances without it share one value', () => {
    const instances = [having({ rack: 'a' }), having({ rack: 'a' }), having({ rack: 'b' }), aContainerInstance()];
    const request = aRequest({ count: 6, strategy: [{ type: 'spread', field: 'attribute:rack' }] });
    const counts = spreadOf(request, instances);
    expect([(counts[0] ?? 0) + (counts[1] ?? 0), counts[2], counts[3]]).toEqual([2, 2, 2]);
  });

  it.each(['instanceId', 'host'])('over %s counts the tasks of the service alone', (field) => {
    const [a, b] = [aContainerInstance(), aContainerInstance()];
    const others = [on(b, { group: 'service:db', serviceName: 'db' }), on(b, { group: 'batch', serviceName: 'x' })];
    expect(spreadOf(aRequest({ strategy: [{ type: 'spread', field }] }), [a, b], [on(a), ...others])).toEqual([0, 1]);
  });

  it('of RunTask counts the tasks of its group', () => {
    const [a, b] = [aContainerInstance(), aContainerInstance()];
    const { serviceName: _, ...batch } = aRequest({ group: 'batch', strategy: [{ type: 'spread', field: 'host' }] });
    const { serviceName: __, ...occupant } = on(a, { group: 'batch' });
    expect(spreadOf(batch, [a, b], [occupant, on(b), on(b)])).toEqual([0, 1]);
  });

  it('by default is over zones, then over instances, for a service', () => {
    const zone = (name: string) => having({ 'ecs.availability-zone': name });
    expect(spreadOf(aRequest({ count: 6 }), [zone('a'), zone('a'), zone('b')])).toEqual([2, 1, 3]);
  });

  it('by default is over instances for RunTask', () => {
    const zone = (name: string) => having({ 'ecs.availability-zone': name });
    const { serviceName: _, ...batch } = aRequest({ count: 6, group: 'batch' });
    expect(spreadOf(batch, [zone('a'), zone('a'), zone('b')])).toEqual([2, 2, 2]);
  });
});

describe('binpack', () => {
  const roomy = () => aContainerInstance({ resources: { cpu: 4000, memoryMiB: 8000 } });

  it.each([
    ['cpu', { cpu: 250, memoryMiB: 9000 }],
    ['CPU', { cpu: 250, memoryMiB: 9000 }],
    ['memory', { cpu: 9000, memoryMiB: 150 }],
    ['MEMORY', { cpu: 9000, memoryMiB: 150 }],
  ])('by %s takes the instance with the least of it that fits', (field, resources) => {
    const tight = aContainerInstance({ resources });
    const request = aRequest({ count: 3, strategy: [{ type: 'binpack', field }] });
    expect(spreadOf(request, [roomy(), tight])).toEqual([1, 2]);
  });

  it('counts what is left, not what the machine has', () => {
    const [large, plain] = [roomy(), aContainerInstance()];
    const filler = on(large, { group: 'x', serviceName: 'x', resources: { ...small, memoryMiB: 7900 } });
    const request = aRequest({ strategy: [{ type: 'binpack', field: 'memory' }] });
    expect(spreadOf(request, [plain, large], [filler])).toEqual([0, 1]);
  });
});

describe('a chain of strategies', () => {
  it('spreads over zones first and packs within each', () => {
    const zone = (name: string, memoryMiB: number) =>
      having({ 'ecs.availability-zone': name }, { resources: { memoryMiB } });
    const request = aRequest({
      count: 4,
      strategy: [
        { type: 'spread', field: 'attribute:ecs.availability-zone' },
        { type: 'binpack', field: 'memory' },
      ],
    });
    expect(spreadOf(request, [zone('a', 4000), zone('a', 200), zone('b', 4000), zone('b', 200)])).toEqual([0, 2, 0, 2]);
  });

  it('spreads over zones, then racks, then instances', () => {
    const inRack = (zone: string, rack: string) => having({ 'ecs.availability-zone': zone, rack });
    const request = aRequest({
      count: 4,
      strategy: [
        { type: 'spread', field: 'attribute:ecs.availability-zone' },
        { type: 'spread', field: 'attribute:rack' },
        { type: 'spread', field: 'instanceId' },
      ],
    });
    expect(spreadOf(request, [inRack('a', '1'), inRack('a', '1'), inRack('a', '2'), inRack('b', '3')])).toEqual([
      1, 0, 1, 2,
    ]);
  });

  it('with random in front asks nothing more', () => {
    const [a, b] = [aContainerInstance(), aContainerInstance()];
    const request = aRequest({ count: 40, resources: { ...small, cpu: 1 }, strategy: [{ type: 'random' }] });
    for (const count of spreadOf(request, [a, b])) expect(count).toBeGreaterThan(5);
  });
});

describe('scale-in mirrors placement', () => {
  const task = (taskArn: string, instance: ContainerInstance, capacityProviderName?: string) => ({
    taskArn,
    containerInstanceArn: instance.containerInstanceArn,
    ...(capacityProviderName === undefined ? {} : { capacityProviderName }),
    lastStatus: 'RUNNING',
    createdAt: 1,
  });

  it('with spread over an attribute it takes from the fullest value', () => {
    const [a1, a2, b1] = [having({ rack: 'a' }), having({ rack: 'a' }), having({ rack: 'b' })];
    const tasks = [task('1', a1), task('2', a2), task('3', b1)];
    const strategy = [{ type: 'spread', field: 'attribute:rack' }] as const;
    const order = removalOrder({ tasks, serviceName: 'web', strategy, candidates: candidatesOf([a1, a2, b1], []) });
    expect(['1', '2']).toContain(order[0]);
    expect(order.at(-1)).not.toBe(order[0]);
  });

  it('with binpack by cpu it takes from the instance with most cpu left', () => {
    const [large, tight] = [
      aContainerInstance({ resources: { cpu: 8000 } }),
      aContainerInstance({ resources: { cpu: 300 } }),
    ];
    const strategy = [{ type: 'binpack', field: 'cpu' }] as const;
    const tasks = [task('1', tight), task('2', large)];
    expect(removalOrder({ tasks, serviceName: 'web', strategy, candidates: candidatesOf([large, tight], []) })[0]).toBe(
      '2',
    );
  });

  it('keeps the ratio of a capacity provider strategy, before it looks at instances', () => {
    const [a, b] = [aContainerInstance(), aContainerInstance()];
    const tasks = [1, 2, 3, 4, 5, 6].map((n) => task(String(n), n <= 2 ? a : b, n <= 2 ? 'blue' : 'green'));
    const capacityProviderStrategy = [
      { capacityProvider: 'blue', weight: 1, base: 1 },
      { capacityProvider: 'green', weight: 3, base: 0 },
    ];
    const order = removalOrder({
      tasks,
      serviceName: 'web',
      strategy: [],
      capacityProviderStrategy,
      candidates: candidatesOf([a, b], []),
    });
    const providers = order.map((arn) => tasks.find(({ taskArn }) => taskArn === arn)?.capacityProviderName);
    expect(providers.at(-1)).toBe('blue');
    expect(new Set(order)).toHaveLength(6);
  });
});

it('ten thousand tasks for one instance: what fits is placed, the rest is one refusal, at once', () => {
  const machine = aContainerInstance({ resources: { cpu: 100_000, memoryMiB: 64_000 } });
  const { placements, refused } = place(aRequest({ count: 10_000 }), [machine], [], seededRandom(1));
  expect(placements).toHaveLength(1000);
  expect(refused).toMatchObject({ count: 9000, failures: [{ reason: 'RESOURCE:CPU' }] });
});

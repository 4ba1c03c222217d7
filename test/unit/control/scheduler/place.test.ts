/** Placement: filters with their reasons, strategies, own placements, scale-in. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { candidatesOf, type Occupant } from '#control/scheduler/candidate.ts';
import { place, placeOnEach } from '#control/scheduler/place.ts';
import type { PlacementRequest } from '#control/scheduler/placement-request.ts';
import { removalOrder } from '#control/scheduler/scale-in.ts';
import { seededRandom } from '#lib/random.ts';
import { arnId } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import { remainingResources } from '#model/resources.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';

const random = seededRandom(1);

function aRequest(overrides: Partial<PlacementRequest> = {}): PlacementRequest {
  return {
    count: 1,
    group: 'service:web',
    serviceName: 'web',
    launchType: 'EC2',
    resources: { cpu: 100, memoryMiB: 64, ports: [], gpuCount: 0 },
    requiredAttributes: [],
    constraints: [],
    strategy: [],
    ...overrides,
  };
}

function anOccupant(instance: ContainerInstance, overrides: Partial<Occupant> = {}): Occupant {
  return {
    containerInstanceArn: instance.containerInstanceArn,
    group: 'service:web',
    serviceName: 'web',
    desiredStatus: 'RUNNING',
    lastStatus: 'RUNNING',
    resources: { cpu: 100, memoryMiB: 64, ports: [], gpuCount: 0 },
    gpuIds: [],
    ...overrides,
  };
}

function inZone(zone: string): ContainerInstance {
  return aContainerInstance({ agentAttributes: [{ name: 'ecs.availability-zone', value: zone }] });
}

describe('a refusal', () => {
  const port = { port: 80, protocol: 'tcp' } as const;
  it.each<[string, Parameters<typeof aContainerInstance>[0], Partial<PlacementRequest>, string]>([
    ['a DRAINING instance', { status: 'DRAINING' }, {}, 'INACTIVE'],
    ['a silent agent', { agentConnected: false }, {}, 'AGENT'],
    ['an impaired machine', { health: { status: 'IMPAIRED', updatedAt: 0, changedAt: 0 } }, {}, 'AGENT'],
    ['a missing capability', {}, { requiredAttributes: [{ name: 'ecs.capability.task-eni' }] }, 'ATTRIBUTE'],
    ['FARGATE', {}, { launchType: 'FARGATE' }, 'ATTRIBUTE'],
    ['a memberOf', {}, { constraints: [{ type: 'memberOf', expression: 'attribute:gpu exists' }] }, 'LOCATION'],
    ['too much CPU', { resources: { cpu: 99 } }, {}, 'RESOURCE:CPU'],
    ['too much memory', { resources: { memoryMiB: 63 } }, {}, 'RESOURCE:MEMORY'],
    [
      'a port that is taken',
      { resources: { takenPorts: [port] } },
      { resources: { cpu: 0, memoryMiB: 4, ports: [port], gpuCount: 0 } },
      'RESOURCE:PORTS',
    ],
    ['a GPU', {}, { resources: { cpu: 0, memoryMiB: 4, ports: [], gpuCount: 1 } }, 'RESOURCE:GPU'],
  ])('for %s carries its reason', (_, instance, request, reason) => {
    const refusing = aContainerInstance(instance);
    const { placements, refused } = place(aRequest(request), [refusing], [], random);
    expect(placements).toEqual([]);
    expect(refused?.failures).toMatchObject([{ arn: refusing.containerInstanceArn, reason }]);
    expect(refused?.explanation).toContain(
      `The closest matching (container-instance ${arnId(refusing.containerInstanceArn)})`,
    );
  });

  it('names the missing attribute', () => {
    const request = aRequest({ requiredAttributes: [{ name: 'ecs.capability.task-eni' }] });
    expect(place(request, [aContainerInstance()], [], random).refused?.failures[0]?.detail).toBe(
      'missing attribute ecs.capability.task-eni',
    );
  });

  it('tells of an empty cluster', () => {
    expect(place(aRequest(), [], [], random).refused).toMatchObject({ count: 1, noInstances: true, failures: [] });
  });

  it('points to the instance that got furthest and counts the others', () => {
    const full = aContainerInstance({ resources: { memoryMiB: 10 } });
    const away = aContainerInstance({ agentConnected: false });
    expect(place(aRequest(), [away, full], [], random).refused?.explanation).toBe(
      `because no container instance met all of its requirements. The closest matching (container-instance ${arnId(
        full.containerInstanceArn,
      )}) has insufficient memory available. 1 instance has a disconnected agent, 1 instance has insufficient memory.`,
    );
  });

  it('counts what is stopping until it is known to have stopped', () => {
    const small = aContainerInstance({ resources: { memoryMiB: 100 } });
    const stopping = anOccupant(small, { desiredStatus: 'STOPPED', lastStatus: 'STOPPING' });
    expect(place(aRequest(), [small], [stopping], random).refused?.failures).toMatchObject([
      { reason: 'RESOURCE:MEMORY' },
    ]);
  });
});

describe('placement of several tasks', () => {
  it('sees its own placements: distinctInstance puts one on each', () => {
    const machines = [aContainerInstance(), aContainerInstance()];
    const request = aRequest({ count: 3, constraints: [{ type: 'distinctInstance' }] });
    const { placements, refused } = place(request, machines, [], random);
    expect(new Set(placements.map(({ containerInstanceArn }) => containerInstanceArn)).size).toBe(2);
    expect(refused?.count).toBe(1);
    expect(refused?.failures.map(({ reason }) => reason)).toEqual(['LOCATION', 'LOCATION']);
  });

  it('gives each task its own GPUs', () => {
    const machine = aContainerInstance({ resources: { gpuIds: ['a', 'b', 'c'] } });
    const request = aRequest({ count: 2, resources: { cpu: 0, memoryMiB: 4, ports: [], gpuCount: 1 } });
    expect(place(request, [machine], [], random).placements.map(({ gpuIds }) => gpuIds)).toEqual([['a'], ['b']]);
  });

  it('spreads a service over zones, then over instances', () => {
    const [a1, a2, b1] = [inZone('a'), inZone('a'), inZone('b')];
    const { placements } = place(aRequest({ count: 4 }), [a1, a2, b1], [], random);
    const on = (machine: ContainerInstance): number =>
      placements.filter(({ containerInstanceArn }) => containerInstanceArn === machine.containerInstanceArn).length;
    expect([on(a1), on(a2), on(b1)]).toEqual([1, 1, 2]);
  });

  it('packs onto the instance with the least room that fits', () => {
    const [roomy, tight] = [aContainerInstance(), aContainerInstance({ resources: { memoryMiB: 130 } })];
    const request = aRequest({ count: 3, strategy: [{ type: 'binpack', field: 'memory' }] });
    expect(
      place(request, [roomy, tight], [], random).placements.map(({ containerInstanceArn }) => containerInstanceArn),
    ).toEqual([tight.containerInstanceArn, tight.containerInstanceArn, roomy.containerInstanceArn]);
  });

  it('asks the next strategy where the first sees no difference', () => {
    const [a, b] = [inZone('a'), inZone('a')];
    const busy = anOccupant(b, { group: 'service:db', serviceName: 'db' });
    const strategy = [
      { type: 'spread', field: 'attribute:ecs.availability-zone' },
      { type: 'binpack', field: 'cpu' },
    ] as const;
    expect(place(aRequest({ strategy }), [a, b], [busy], random).placements[0]?.containerInstanceArn).toBe(
      b.containerInstanceArn,
    );
  });

  it('draws lots for random, the same for the same seed', () => {
    const machines = [1, 2, 3, 4, 5].map(() => aContainerInstance());
    const request = aRequest({ count: 20, strategy: [{ type: 'random' }] });
    const draw = (seed: number): unknown => place(request, machines, [], seededRandom(seed)).placements;
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it('fits into capacity with unique ports, whatever the cluster (I7)', () => {
    const machines = fc.array(fc.record({ cpu: fc.nat(500), memoryMiB: fc.nat(500) }), { maxLength: 5 });
    fc.assert(
      fc.property(
        machines,
        fc.nat(12),
        fc.boolean(),
        fc.constantFrom('random', 'spread', 'binpack'),
        (sizes, count, fixed, type) => {
          const instances = sizes.map((resources) => aContainerInstance({ resources }));
          const ports = fixed ? [{ port: 8080, protocol: 'tcp' as const }] : [];
          const resources = { cpu: 60, memoryMiB: 70, ports, gpuCount: 0 };
          const strategy = [{ type, field: type === 'binpack' ? 'memory' : 'instanceId' }] as const;
          const { placements, refused } = place(
            aRequest({ count, resources, strategy }),
            instances,
            [],
            seededRandom(count),
          );
          expect(placements.length + (refused?.count ?? 0)).toBe(count);
          for (const instance of instances) {
            const own = placements.filter(
              ({ containerInstanceArn }) => containerInstanceArn === instance.containerInstanceArn,
            );
            const left = remainingResources(
              instance.resources,
              own.map(() => ({ resources })),
            );
            expect(Math.min(left.cpu, left.memoryMiB)).toBeGreaterThanOrEqual(0);
            if (fixed) expect(own.length).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });
});

describe('one task on each named instance', () => {
  it('reports those that refuse', () => {
    const [fine, silent] = [aContainerInstance(), aContainerInstance({ agentConnected: false })];
    const { placements, refused } = placeOnEach(aRequest(), candidatesOf([fine, silent], []));
    expect(placements).toHaveLength(1);
    expect(refused?.failures).toMatchObject([{ arn: silent.containerInstanceArn, reason: 'AGENT' }]);
  });
});

describe('scale-in', () => {
  const task = (id: string, instance: ContainerInstance, lastStatus = 'RUNNING') => ({
    taskArn: id,
    containerInstanceArn: instance.containerInstanceArn,
    lastStatus,
    createdAt: 1,
  });

  it('takes from the fullest zone, then from the fullest instance', () => {
    const [a1, a2, b1] = [inZone('a'), inZone('a'), inZone('b')];
    const tasks = [task('1', a1), task('2', a1), task('3', a2), task('4', b1)];
    const order = removalOrder({ tasks, serviceName: 'web', strategy: [], candidates: candidatesOf([a1, a2, b1], []) });
    expect(['1', '2']).toContain(order[0]);
    expect(order.slice(0, 2)).not.toContain('4');
  });

  it('takes tasks that do not run yet first', () => {
    const [a, b] = [aContainerInstance(), aContainerInstance()];
    const tasks = [task('1', a), task('2', a), task('3', b, 'PENDING')];
    expect(removalOrder({ tasks, serviceName: 'web', strategy: [], candidates: candidatesOf([a, b], []) })[0]).toBe(
      '3',
    );
  });

  it('with binpack frees the instance that is left emptiest', () => {
    const [full, empty] = [aContainerInstance(), aContainerInstance()];
    const other = anOccupant(full, { group: 'service:db', serviceName: 'db' });
    const tasks = [task('1', full), task('2', empty)];
    const strategy = [{ type: 'binpack', field: 'memory' }] as const;
    expect(
      removalOrder({ tasks, serviceName: 'web', strategy, candidates: candidatesOf([full, empty], [other]) })[0],
    ).toBe('2');
  });
});

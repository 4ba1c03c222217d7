/** Choosing with heaps gives what looking at everything for every task gives, task by task, whatever the cluster and the request. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  candidatesOf,
  occupied,
  placementFieldValue,
  type Candidate,
  type Occupant,
} from '#control/scheduler/candidate.ts';
import { refusalOf } from '#control/scheduler/filters.ts';
import { place } from '#control/scheduler/place.ts';
import type { PlacementRequest } from '#control/scheduler/placement-request.ts';
import { removalOrder, type RemovableTask, type ScaleInQuestion } from '#control/scheduler/scale-in.ts';
import { choose, effectiveStrategy } from '#control/scheduler/strategies.ts';
import { seededRandom, type Random } from '#lib/random.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { PlacementConstraint, PlacementStrategy } from '#model/placement.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';

/** Every candidate is asked again for each task, and all that pass are ranked. */
function placeByLookingAtAll(
  request: PlacementRequest,
  instances: readonly ContainerInstance[],
  occupying: readonly Occupant[],
  random: Random,
): { placements: { containerInstanceArn: string; gpuIds: readonly string[] }[]; failures: string[] } {
  let candidates = candidatesOf(instances, occupying);
  const placements: { containerInstanceArn: string; gpuIds: readonly string[] }[] = [];
  while (placements.length < request.count) {
    const passed = candidates.filter((candidate) => refusalOf(candidate, request) === undefined);
    const chosen = choose(passed, request, candidates, random);
    if (chosen === undefined) {
      const reasonOf = (candidate: Candidate): string =>
        `${candidate.instance.containerInstanceArn} ${refusalOf(candidate, request)?.refusal.reason}`;
      return { placements, failures: candidates.map(reasonOf) };
    }
    const { group, serviceName, resources } = request;
    const placement = {
      containerInstanceArn: chosen.instance.containerInstanceArn,
      gpuIds: chosen.remaining.gpuIds.slice(0, resources.gpuCount),
    };
    placements.push(placement);
    const own = serviceName === undefined ? {} : { serviceName };
    const occupant = {
      ...placement,
      group,
      ...own,
      desiredStatus: 'RUNNING',
      lastStatus: 'PENDING',
      resources,
    } as const;
    candidates = candidates.map((each) => (each === chosen ? occupied(each, occupant) : each));
  }
  return { placements, failures: [] };
}

const field = fc.constantFrom(
  'instanceId',
  'host',
  'attribute:ecs.availability-zone',
  'attribute:rack',
  'attribute:none',
);
const strategy: fc.Arbitrary<PlacementStrategy> = fc.oneof(
  fc.record({ type: fc.constant('spread' as const), field }),
  fc.record({ type: fc.constant('spread' as const) }),
  fc.record({ type: fc.constant('binpack' as const), field: fc.constantFrom('cpu', 'memory', 'MEMORY') }),
  fc.constant({ type: 'random' as const }),
);
const constraint: fc.Arbitrary<PlacementConstraint> = fc.oneof(
  fc.constant({ type: 'distinctInstance' as const }),
  fc
    .constantFrom('attribute:rack == r1', 'not(task:group == service:other)', 'runningTasksCount < 3')
    .map((expression) => ({ type: 'memberOf' as const, expression })),
);
const resources = fc.record({
  cpu: fc.constantFrom(0, 100, 300),
  memoryMiB: fc.constantFrom(64, 500),
  ports: fc.constantFrom([], [], [{ port: 80, protocol: 'tcp' as const }]),
  gpuCount: fc.constantFrom(0, 0, 0, 1),
});
const owner = fc.constantFrom(
  { group: 'service:web', serviceName: 'web' },
  { group: 'service:other', serviceName: 'other' },
  { group: 'batch' },
);
const request: fc.Arbitrary<PlacementRequest> = fc
  .record({
    count: fc.integer({ min: 1, max: 25 }),
    resources,
    constraints: fc.array(constraint, { maxLength: 2 }),
    strategy: fc.array(strategy, { maxLength: 4 }),
    owner,
  })
  .map(({ owner: its, ...rest }) => ({ ...rest, ...its, launchType: 'EC2', requiredAttributes: [] }));
const zones = fc.constantFrom('a', 'a', 'b', 'c', undefined);
const instance = fc
  .record({
    zone: zones,
    rack: fc.constantFrom('r1', 'r2', undefined),
    cpu: fc.constantFrom(0, 400, 2048),
    memoryMiB: fc.constantFrom(256, 2048),
    gpuIds: fc.constantFrom([], ['gpu-1', 'gpu-2']),
    status: fc.constantFrom('ACTIVE' as const, 'ACTIVE' as const, 'ACTIVE' as const, 'DRAINING' as const),
    agentConnected: fc.constantFrom(true, true, true, false),
  })
  .map(({ zone, rack, cpu, memoryMiB, gpuIds, ...rest }) =>
    aContainerInstance({
      ...rest,
      resources: { cpu, memoryMiB, gpuIds },
      agentAttributes: [
        ...(zone === undefined ? [] : [{ name: 'ecs.availability-zone', value: zone }]),
        ...(rack === undefined ? [] : [{ name: 'rack', value: rack }]),
      ],
    }),
  );
const cluster = fc.array(instance, { maxLength: 12 }).chain((instances) =>
  fc.record({
    instances: fc.shuffledSubarray(instances, { minLength: instances.length }),
    occupying: occupantsOf(instances),
  }),
);

function occupantsOf(instances: readonly ContainerInstance[]): fc.Arbitrary<Occupant[]> {
  if (instances.length === 0) return fc.constant([]);
  const occupant = fc
    .record({
      containerInstanceArn: fc.constantFrom(...instances.map((each) => each.containerInstanceArn)),
      desiredStatus: fc.constantFrom('RUNNING' as const, 'RUNNING' as const, 'STOPPED' as const),
      lastStatus: fc.constantFrom('RUNNING', 'PENDING'),
      resources: fc.constant({ cpu: 50, memoryMiB: 32, ports: [], gpuCount: 0 }),
      owner,
    })
    .map(({ owner: its, ...rest }): Occupant => ({ ...rest, ...its, gpuIds: [] }));
  return fc.array(occupant, { maxLength: 20 });
}

it('gives every task the place that looking at all candidates gives it, and the same reasons when there is none', () => {
  fc.assert(
    fc.property(cluster, request, fc.nat(), ({ instances, occupying }, asked, seed) => {
      const expected = placeByLookingAtAll(asked, instances, occupying, seededRandom(seed));
      const { placements, refused } = place(asked, instances, occupying, seededRandom(seed));
      expect(placements).toEqual(expected.placements);
      expect((refused?.failures ?? []).map(({ arn, reason }) => `${arn} ${reason}`)).toEqual(expected.failures);
    }),
    { numRuns: 1000 },
  );
});

/** For each task that goes, all that are left are ranked. */
function orderByRankingAll({ tasks, serviceName, strategy: given, candidates: all }: ScaleInQuestion): string[] {
  const candidates = new Map(all.map((each) => [each.instance.containerInstanceArn, each]));
  const candidateOf = (task: RemovableTask): Candidate | undefined => candidates.get(task.containerInstanceArn ?? '');
  let left = [...tasks];
  const order: string[] = [];
  while (left.length > 0) {
    const rankOf = (task: RemovableTask): number[] => [
      task.lastStatus === 'RUNNING' ? 0 : 1,
      ...effectiveStrategy({ strategy: given, serviceName }).map(({ type, field: by = 'instanceId' }) => {
        const candidate = candidateOf(task);
        if (candidate === undefined) return Number.MAX_VALUE;
        if (type === 'binpack')
          return by.toLowerCase() === 'cpu' ? candidate.remaining.cpu : candidate.remaining.memoryMiB;
        if (type === 'random') return 0;
        const valueOf = (of: Candidate | undefined): string | undefined => of && placementFieldValue(of, by);
        return left.filter((other) => valueOf(candidateOf(other)) === valueOf(candidate)).length;
      }),
      task.createdAt,
    ];
    const ranked = left.map((task) => ({ task, rank: rankOf(task) }));
    ranked.sort((a, b) => {
      const at = a.rank.findIndex((value, index) => value !== b.rank[index]);
      return at < 0 ? (a.task.taskArn > b.task.taskArn ? -1 : 1) : (b.rank[at] ?? 0) - (a.rank[at] ?? 0);
    });
    const worst = ranked[0]?.task.taskArn ?? '';
    order.push(worst);
    left = left.filter(({ taskArn }) => taskArn !== worst);
  }
  return order;
}

it('takes tasks away in the order that ranking all that are left gives', () => {
  const removable = (instances: readonly ContainerInstance[]): fc.Arbitrary<RemovableTask> =>
    fc
      .record({
        taskArn: fc.uuid(),
        place: fc.constantFrom(undefined, 'arn:unknown', ...instances.map((each) => each.containerInstanceArn)),
        lastStatus: fc.constantFrom('RUNNING', 'RUNNING', 'PENDING'),
        createdAt: fc.integer({ min: 1, max: 3 }),
      })
      .map(({ place: arn, ...rest }) => ({ ...rest, ...(arn === undefined ? {} : { containerInstanceArn: arn }) }));
  const question = cluster.chain(({ instances, occupying }) =>
    fc.record({
      tasks: fc.array(removable(instances), { maxLength: 25 }),
      serviceName: fc.constant('web'),
      strategy: fc.array(strategy, { maxLength: 4 }),
      candidates: fc.constant(candidatesOf(instances, occupying)),
    }),
  );
  fc.assert(
    fc.property(question, (asked) => {
      expect(removalOrder(asked)).toEqual(orderByRankingAll(asked));
    }),
    { numRuns: 500 },
  );
});

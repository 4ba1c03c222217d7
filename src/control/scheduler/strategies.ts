/**
 * The soft preferences of placement. Strategies apply in order: the first ranks, the next decides among its equals. What is equal after
 * all of them goes to the instance with the fewest live tasks, then to the lowest ARN, so that the same state gives the same answer.
 */
import type { PlacementStrategy } from '#model/placement.ts';
import { zoneField } from '#model/zone-rebalancing.ts';
import type { Random } from '#lib/random.ts';
import { ownTasks, placementFieldValue, type Candidate } from './candidate.ts';
import type { PlacementRequest } from './placement-request.ts';

/** A service spreads over zones, then over instances; RunTask over instances. */
export function effectiveStrategy(
  request: Pick<PlacementRequest, 'strategy' | 'serviceName'>,
): readonly PlacementStrategy[] {
  if (request.strategy.length > 0) return request.strategy;
  const instances: PlacementStrategy = { type: 'spread', field: 'instanceId' };
  return request.serviceName === undefined ? [instances] : [{ type: 'spread', field: zoneField }, instances];
}

/**
 * The best of the candidates that passed every filter; undefined when there are none. It looks at all of them; choice.ts finds the same one with less
 * work where no strategy is `random`.
 */
export function choose(
  passed: readonly Candidate[],
  request: PlacementRequest,
  everywhere: readonly Candidate[],
  random: Random,
): Candidate | undefined {
  let best = [...passed];
  for (const strategy of effectiveStrategy(request)) {
    if (best.length <= 1) break;
    best = narrow(best, strategy, request, everywhere, random);
  }
  best.sort(
    (a, b) =>
      a.occupants.length - b.occupants.length ||
      (a.instance.containerInstanceArn < b.instance.containerInstanceArn ? -1 : 1),
  );
  return best[0];
}

function narrow(
  candidates: readonly Candidate[],
  strategy: PlacementStrategy,
  request: PlacementRequest,
  everywhere: readonly Candidate[],
  random: Random,
): Candidate[] {
  const type = strategy.type ?? 'spread';
  switch (type) {
    case 'random': {
      const picked = candidates[Math.floor(random.next() * candidates.length)];
      return picked === undefined ? [] : [picked];
    }
    case 'binpack':
      return lowest(candidates, binpackMeasure(strategy));
    case 'spread': {
      const field = strategy.field ?? 'instanceId';
      const counts = countByField(everywhere, field, request);
      return lowest(candidates, (candidate) => counts.get(placementFieldValue(candidate, field)) ?? 0);
    }
  }
}

/** What is left of the instance: it is filled as far as possible before another is begun. */
export function binpackMeasure({ field }: PlacementStrategy): (candidate: Candidate) => number {
  const isCpu = field?.toLowerCase() === 'cpu';
  return ({ remaining }) => (isCpu ? remaining.cpu : remaining.memoryMiB);
}

/** How many of the tasks that are to be spread each value of the field has; instances without the attribute share one value. */
function countByField(
  everywhere: readonly Candidate[],
  field: string,
  request: Pick<PlacementRequest, 'group' | 'serviceName'>,
): Map<string | undefined, number> {
  const counts = new Map<string | undefined, number>();
  for (const candidate of everywhere) {
    const value = placementFieldValue(candidate, field);
    counts.set(value, (counts.get(value) ?? 0) + ownTasks(candidate, request));
  }
  return counts;
}

function lowest(candidates: readonly Candidate[], measure: (candidate: Candidate) => number): Candidate[] {
  const measured = candidates.map((candidate) => ({ candidate, amount: measure(candidate) }));
  const least = measured.reduce((smallest, { amount }) => Math.min(smallest, amount), Number.POSITIVE_INFINITY);
  return measured.filter(({ amount }) => amount === least).map(({ candidate }) => candidate);
}

/**
 * Which capacity provider the next task of a strategy goes to, and which one gives up a task: first every `base` is filled, then the rest
 * keeps to the ratio of the weights, as near as whole tasks allow. What exists already counts, so the ratio holds over time and not only
 * within one request. Equal claims go to the item that is named first.
 */
import {
  isFargateProvider,
  type CapacityProviderStrategyItem,
  type CapacityStrategy,
} from '#model/capacity-provider.ts';

/** Both numbers spelt out: weight and base are 0 unless given, but an item that is alone has all the weight. */
export function wholeStrategy(items: readonly CapacityProviderStrategyItem[]): CapacityStrategy {
  const weightUnlessGiven = items.length === 1 ? 1 : 0;
  return items.map(({ capacityProvider, weight = weightUnlessGiven, base = 0 }) => ({
    capacityProvider,
    weight,
    base,
  }));
}

/** What is wrong with a strategy in itself, in ECS's words; undefined when nothing is. */
export function strategyProblem(items: CapacityStrategy): string | undefined {
  const names = items.map((item) => item.capacityProvider);
  if (new Set(names).size < names.length) {
    return 'The specified capacity provider strategy cannot contain duplicate capacity providers. Remove any duplicates and try again.';
  }
  if (items.filter(({ base }) => base > 0).length > 1) {
    return 'Only one capacity provider in a capacity provider strategy can have a base value. Remove the others and try again.';
  }
  if (items.length > 0 && totalWeight(items) === 0) {
    return 'A capacity provider strategy must have at least one capacity provider with a weight greater than 0.';
  }
  if (new Set(names.map(isFargateProvider)).size > 1) {
    return 'A capacity provider strategy cannot contain a mix of capacity providers using Auto Scaling groups and Fargate providers. Specify one or the other and try again.';
  }
  return undefined;
}

/** How many of `count` new tasks each provider gets, besides those it has; providers that get none are left out. In the strategy's order. */
export function shareOut(
  strategy: CapacityStrategy,
  count: number,
  existing: ReadonlyMap<string, number> = new Map(),
): Map<string, number> {
  const have = new Map(strategy.map(({ capacityProvider: name }) => [name, existing.get(name) ?? 0]));
  const given = new Map<string, number>();
  for (let left = count; left > 0; left -= 1) {
    const name = nextProvider(strategy, have);
    if (name === undefined) break;
    have.set(name, (have.get(name) ?? 0) + 1);
    given.set(name, (given.get(name) ?? 0) + 1);
  }
  const order = strategy.map(({ capacityProvider }) => capacityProvider);
  return new Map([...given].toSorted(([a], [b]) => order.indexOf(a) - order.indexOf(b)));
}

/** Where the next task goes. */
function nextProvider(strategy: CapacityStrategy, have: ReadonlyMap<string, number>): string | undefined {
  const unfilled = strategy.find(({ capacityProvider, base }) => (have.get(capacityProvider) ?? 0) < base);
  if (unfilled !== undefined) return unfilled.capacityProvider;
  const rest = beyondBase(strategy, have);
  const total = rest.reduce((sum, { beyond }) => sum + beyond, 0) + 1;
  return furthest(
    rest.filter(({ weight }) => weight > 0).map((item) => ({ ...item, lag: claim(item, total, strategy) })),
  )?.capacityProvider;
}

/**
 * Which provider gives up a task so that those left are nearest to the strategy; `have` counts by name, undefined for tasks of no provider.
 * What the strategy does not name goes first. Answers the key of `have`; throws for no tasks at all.
 */
export function firstToLeave(
  strategy: CapacityStrategy,
  have: ReadonlyMap<string | undefined, number>,
): string | undefined {
  const names = new Set<string | undefined>(strategy.map((item) => item.capacityProvider));
  const held = [...have].filter(([, count]) => count > 0).map(([name]) => name);
  if (held.length === 0) throw new RangeError('no task is left to leave');
  const stranger = held.findIndex((name) => !names.has(name));
  if (stranger !== -1) return held[stranger];
  const rest = beyondBase(strategy, have);
  const total = rest.reduce((sum, { beyond }) => sum + beyond, 0) - 1;
  const surplus = rest
    .filter(({ beyond }) => beyond > 0)
    .toReversed()
    .map((item) => ({ ...item, lag: -claim(item, total, strategy) }));
  return furthest(surplus)?.capacityProvider ?? held[0];
}

interface Beyond {
  capacityProvider: string;
  weight: number;
  /** Tasks that are not part of the base. */
  beyond: number;
}

function beyondBase(strategy: CapacityStrategy, have: ReadonlyMap<string | undefined, number>): Beyond[] {
  return strategy.map(({ capacityProvider, weight, base }) => ({
    capacityProvider,
    weight,
    beyond: Math.max(0, (have.get(capacityProvider) ?? 0) - base),
  }));
}

/** How far the provider lags behind its share of `total`, in tasks times the sum of weights, so that all numbers are whole. */
function claim({ weight, beyond }: Beyond, total: number, strategy: CapacityStrategy): number {
  return weight * total - beyond * totalWeight(strategy);
}

function furthest<T extends { lag: number }>(items: readonly T[]): T | undefined {
  let best: T | undefined;
  for (const item of items) if (best === undefined || item.lag > best.lag) best = item;
  return best;
}

function totalWeight(strategy: CapacityStrategy): number {
  return strategy.reduce((sum, { weight }) => sum + weight, 0);
}

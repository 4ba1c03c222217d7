/**
 * Which tasks of a service go first when it has too many: placement mirrored. Tasks that do not run yet go before tasks that do; then the
 * default and `spread` take from the fullest value of the field, `binpack` from the instance that is left emptiest, so that machines
 * become free. Users cannot pick the victim, as in ECS.
 */
import type { CapacityStrategy } from '#model/capacity-provider.ts';
import type { PlacementStrategy } from '#model/placement.ts';
import { placementFieldValue, type Candidate } from './candidate.ts';
import { firstToLeave } from './capacity-strategy.ts';
import { RankedGroups } from './lazy-heap.ts';
import { binpackMeasure, effectiveStrategy } from './strategies.ts';

export interface RemovableTask {
  taskArn: string;
  containerInstanceArn?: string;
  capacityProviderName?: string;
  lastStatus: string;
  createdAt: number;
}

export interface ScaleInQuestion {
  tasks: readonly RemovableTask[];
  serviceName: string;
  strategy: readonly PlacementStrategy[];
  /** The tasks that stay keep to it, before anything else. */
  capacityProviderStrategy?: CapacityStrategy | undefined;
  /** Of the cluster's instances. */
  candidates: readonly Candidate[];
}

/** ARNs of all the tasks, the first to go first: taking any number from the front leaves the rest well spread. */
export function removalOrder({ tasks, serviceName, strategy, candidates, ...rest }: ScaleInQuestion): string[] {
  const byInstance = new Map(candidates.map((candidate) => [candidate.instance.containerInstanceArn, candidate]));
  const strategies = effectiveStrategy({ strategy, serviceName });
  const measures = strategies.map((item) => measureOf(item, tasks, byInstance));
  const [outer, ...inner] = measures;
  const byArn = new Map(tasks.toSorted((a, b) => (a.taskArn < b.taskArn ? 1 : -1)).map((task, rank) => [task, rank]));
  const rankedOf = (items: readonly RemovableTask[]): Ranked =>
    new RankedGroups({
      items,
      groupOf: (task) => `${pendingRank(task)} ${outer?.groupOf(task) ?? ''}`,
      groupKey: (group) => [-Number(group.startsWith('1')), -(outer?.ofGroup(group.slice(2)) ?? 0)],
      itemKey: (task) => [...inner.map((measure) => -measure.of(task)), -task.createdAt, byArn.get(task) ?? 0],
    });
  const order: string[] = [];
  const next = nextOf(tasks, rest.capacityProviderStrategy, rankedOf);
  for (let ranked = next(); ranked !== undefined; ranked = next()) {
    const task = ranked.top();
    if (task === undefined) break;
    ranked.removeTop();
    order.push(task.taskArn);
    for (const measure of measures) measure.removed(task);
  }
  return order;
}

type Ranked = RankedGroups<RemovableTask, string>;

/**
 * Where the next task is taken from: all without a strategy; with one, those of the capacity provider that has most beyond its share, of which there is
 * one less then.
 */
function nextOf(
  tasks: readonly RemovableTask[],
  strategy: CapacityStrategy = [],
  rankedOf: (tasks: readonly RemovableTask[]) => Ranked,
): () => Ranked | undefined {
  if (strategy.length === 0) {
    const all = rankedOf(tasks);
    return () => all;
  }
  const byProvider = Map.groupBy(tasks, ({ capacityProviderName }) => capacityProviderName);
  const ranked = new Map([...byProvider].map(([name, own]) => [name, rankedOf(own)]));
  const counts = new Map([...byProvider].map(([name, own]) => [name, own.length]));
  return () => {
    if (counts.size === 0) return undefined;
    const name = firstToLeave(strategy, counts);
    const left = (counts.get(name) ?? 0) - 1;
    if (left > 0) counts.set(name, left);
    else counts.delete(name);
    return ranked.get(name);
  };
}

function pendingRank(task: RemovableTask): number {
  return task.lastStatus === 'RUNNING' ? 0 : 1;
}

/** What one strategy says of a task: the higher the sooner it goes, and never higher after another went. */
interface RemovalMeasure {
  of(task: RemovableTask): number;
  /** Tasks of which the strategy always says the same. */
  groupOf(task: RemovableTask): string;
  ofGroup(group: string): number;
  removed(task: RemovableTask): void;
}

/** A task whose instance is unknown goes first. */
const goesFirst = Number.MAX_VALUE;

function measureOf(
  strategy: PlacementStrategy,
  tasks: readonly RemovableTask[],
  candidates: ReadonlyMap<string, Candidate>,
): RemovalMeasure {
  const candidateOf = (task: RemovableTask): Candidate | undefined => candidates.get(task.containerInstanceArn ?? '');
  if (strategy.type === 'binpack') {
    const left = binpackMeasure(strategy);
    const of = (task: RemovableTask): number => {
      const candidate = candidateOf(task);
      return candidate === undefined ? goesFirst : left(candidate);
    };
    return { of, groupOf: (task) => String(of(task)), ofGroup: Number, removed: () => undefined };
  }
  if (strategy.type === 'random') {
    const of = (task: RemovableTask): number => (candidateOf(task) === undefined ? goesFirst : 0);
    return { of, groupOf: (task) => String(of(task)), ofGroup: Number, removed: () => undefined };
  }
  return spreadMeasure(strategy, tasks, candidateOf);
}

function spreadMeasure(
  { field = 'instanceId' }: PlacementStrategy,
  tasks: readonly RemovableTask[],
  candidateOf: (task: RemovableTask) => Candidate | undefined,
): RemovalMeasure {
  const counts = new Map<string, number>();
  const valueOf = (task: RemovableTask): string => {
    const candidate = candidateOf(task);
    const value = candidate === undefined ? undefined : placementFieldValue(candidate, field);
    return value === undefined ? noValue : `=${value}`;
  };
  const ofGroup = (group: string): number => (group === unknownPlace ? goesFirst : (counts.get(group) ?? 0));
  const groupOf = (task: RemovableTask): string => (candidateOf(task) === undefined ? unknownPlace : valueOf(task));
  const add = (value: string, more: number): void => void counts.set(value, (counts.get(value) ?? 0) + more);
  for (const task of tasks) add(valueOf(task), 1);
  return { of: (task) => ofGroup(groupOf(task)), groupOf, ofGroup, removed: (task) => add(valueOf(task), -1) };
}

const unknownPlace = '?';
/** Of instances without the attribute. */
const noValue = '-';

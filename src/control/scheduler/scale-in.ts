/**
 * Which tasks of a service go first when it has too many: placement mirrored. Tasks that do not run yet go before tasks that do; then the
 * default and `spread` take from the fullest value of the field, `binpack` from the instance that is left emptiest, so that machines
 * become free. Users cannot pick the victim, as in ECS.
 */
import type { CapacityStrategy } from '#model/capacity-provider.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { PlacementStrategy } from '#model/placement.ts';
import { candidatesOf, placementFieldValue, type Candidate, type Occupant } from './candidate.ts';
import { firstToLeave } from './capacity-strategy.ts';
import { effectiveStrategy } from './strategies.ts';

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
  instances: readonly ContainerInstance[];
  occupying: readonly Occupant[];
}

/** ARNs of all the tasks, the first to go first: taking any number from the front leaves the rest well spread. */
export function removalOrder({
  tasks,
  serviceName,
  strategy,
  instances,
  occupying,
  ...rest
}: ScaleInQuestion): string[] {
  const candidates = new Map(
    candidatesOf(instances, occupying).map((candidate) => [candidate.instance.containerInstanceArn, candidate]),
  );
  const strategies = effectiveStrategy({ strategy, serviceName });
  const left = new Set(tasks);
  const order: string[] = [];
  while (left.size > 0) {
    const counts = strategies.map((item) => (item.type === 'spread' ? countTasks(left, item, candidates) : undefined));
    let worst: { task: RemovableTask; rank: readonly number[] } | undefined;
    for (const task of eligible(left, rest.capacityProviderStrategy)) {
      const candidate = candidates.get(task.containerInstanceArn ?? '');
      const rank = [
        pendingRank(task),
        ...strategies.map((item, at) => strategyRank(item, counts[at], candidate)),
        task.createdAt,
      ];
      if (
        worst === undefined ||
        outranks(rank, worst.rank) ||
        (same(rank, worst.rank) && task.taskArn > worst.task.taskArn)
      ) {
        worst = { task, rank };
      }
    }
    if (worst === undefined) break;
    left.delete(worst.task);
    order.push(worst.task.taskArn);
  }
  return order;
}

/** Those of the capacity provider that has most beyond its share; all without a strategy. */
function eligible(left: ReadonlySet<RemovableTask>, strategy: CapacityStrategy = []): Iterable<RemovableTask> {
  if (strategy.length === 0) return left;
  const counts = new Map<string | undefined, number>();
  for (const { capacityProviderName: name } of left) counts.set(name, (counts.get(name) ?? 0) + 1);
  const name = firstToLeave(strategy, counts);
  return [...left].filter((task) => task.capacityProviderName === name);
}

function countTasks(
  tasks: ReadonlySet<RemovableTask>,
  strategy: PlacementStrategy,
  candidates: ReadonlyMap<string, Candidate>,
): Map<string | undefined, number> {
  const counts = new Map<string | undefined, number>();
  for (const task of tasks) {
    const value = fieldValue(strategy, candidates.get(task.containerInstanceArn ?? ''));
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

function pendingRank(task: RemovableTask): number {
  return task.lastStatus === 'RUNNING' ? 0 : 1;
}

/** The higher the sooner it goes. A task whose instance is unknown goes first. */
function strategyRank(
  strategy: PlacementStrategy,
  counts: ReadonlyMap<string | undefined, number> | undefined,
  candidate: Candidate | undefined,
): number {
  if (candidate === undefined) return Number.POSITIVE_INFINITY;
  if (strategy.type === 'binpack') {
    return strategy.field?.toLowerCase() === 'cpu' ? candidate.remaining.cpu : candidate.remaining.memoryMiB;
  }
  return counts?.get(fieldValue(strategy, candidate)) ?? 0;
}

function fieldValue(strategy: PlacementStrategy, candidate: Candidate | undefined): string | undefined {
  return candidate === undefined ? undefined : placementFieldValue(candidate, strategy.field ?? 'instanceId');
}

function outranks(a: readonly number[], b: readonly number[]): boolean {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    if (value !== other) return value > other;
  }
  return false;
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.every((value, index) => value === b[index]);
}

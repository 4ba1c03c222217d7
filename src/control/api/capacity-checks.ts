/** What requests may say of capacity providers: which exist, which a cluster has, what a strategy may be, and who still uses one. */
import type { Realm } from '#model/arn.ts';
import {
  isFargateProvider,
  launchTypeOfProvider,
  providerNameOf,
  type CapacityProviderStrategyItem,
  type CapacityStrategy,
} from '#model/capacity-provider.ts';
import type { Cluster } from '#model/cluster.ts';
import type { Task } from '#model/task.ts';
import {
  capacityProviderInUse,
  capacityProviderNotAssociated,
  capacityProviderUnknown,
  invalidParameter,
} from '#protocol/ecs/errors.ts';
import { strategyProblem, wholeStrategy } from '../scheduler/capacity-strategy.ts';
import type { StoreTransaction } from '../store/store.ts';
import { everyPage } from './paging.ts';

export type ClusterCapacity = Pick<Cluster, 'capacityProviders' | 'defaultCapacityProviderStrategy'>;

/** What a cluster is to have. Throws InvalidParameterException for a provider that is not there, and for a default that goes beyond the list. */
export async function checkedCapacity(
  tx: StoreTransaction,
  realm: Realm,
  given: {
    capacityProviders: readonly string[];
    defaultCapacityProviderStrategy: readonly CapacityProviderStrategyItem[];
  },
): Promise<ClusterCapacity> {
  const names = [...new Set(given.capacityProviders.map((reference) => nameIn(realm, reference)))];
  const known = new Set((await tx.capacityProviders.getMany(names)).map(({ name }) => name));
  const unknown = names.find((name) => !isFargateProvider(name) && !known.has(name));
  if (unknown !== undefined) throw capacityProviderUnknown(unknown);
  return {
    capacityProviders: names,
    defaultCapacityProviderStrategy: checkedStrategy(
      realm,
      { capacityProviders: names },
      given.defaultCapacityProviderStrategy,
    ),
  };
}

/** A strategy with both numbers of every item. Throws InvalidParameterException unless it is sound and the cluster has its providers. */
export function checkedStrategy(
  realm: Realm,
  { capacityProviders }: Pick<Cluster, 'capacityProviders'>,
  items: readonly CapacityProviderStrategyItem[],
): CapacityStrategy {
  const strategy = wholeStrategy(
    items.map((item) => ({ ...item, capacityProvider: nameIn(realm, item.capacityProvider) })),
  );
  const problem = strategyProblem(strategy);
  if (problem !== undefined) throw invalidParameter(problem);
  const outside = strategy.find((item) => !capacityProviders.includes(item.capacityProvider));
  if (outside !== undefined) throw capacityProviderNotAssociated(outside.capacityProvider);
  return strategy;
}

function nameIn(realm: Realm, reference: string): string {
  const name = providerNameOf(realm, reference);
  if (name === undefined) throw capacityProviderUnknown(reference);
  return name;
}

/** Launch type and strategy exclude each other; what says neither gets the cluster's default strategy, if it has one. */
export interface CapacityChoice {
  launchType?: Task['launchType'] | 'MANAGED_INSTANCES';
  capacityProviderStrategy?: CapacityStrategy;
}

export function chosenCapacity(
  realm: Realm,
  cluster: Cluster,
  given: {
    launchType?: CapacityChoice['launchType'];
    capacityProviderStrategy?: readonly CapacityProviderStrategyItem[];
  },
): CapacityChoice {
  const { launchType, capacityProviderStrategy = [] } = given;
  if (launchType !== undefined && capacityProviderStrategy.length > 0) {
    throw invalidParameter(
      'Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.',
    );
  }
  if (launchType !== undefined) return { launchType };
  const items =
    capacityProviderStrategy.length > 0 ? capacityProviderStrategy : cluster.defaultCapacityProviderStrategy;
  const strategy = checkedStrategy(realm, cluster, items);
  const [first] = strategy;
  if (first === undefined) return {};
  return { launchType: launchTypeOfProvider(first.capacityProvider), capacityProviderStrategy: strategy };
}

/** Throws ResourceInUseException while a task or a service of the cluster uses one of the providers. */
export async function refuseUsedProviders(
  tx: StoreTransaction,
  clusterName: string,
  names: readonly string[],
): Promise<void> {
  if (names.length === 0) return;
  for (const capacityProviderName of names) {
    const tasks = await tx.tasks.list({ clusterName, capacityProviderName, live: true }, { limit: 1 });
    if (tasks.items.length > 0) throw capacityProviderInUse(capacityProviderName);
  }
  const services = await everyPage((page) => tx.services.list({ clusterName, statuses: ['ACTIVE', 'DRAINING'] }, page));
  for (const { capacityProviderStrategy = [], deployments } of services) {
    const all = [...capacityProviderStrategy, ...deployments.flatMap((each) => each.capacityProviderStrategy ?? [])];
    const used = all.find((item) => names.includes(item.capacityProvider));
    if (used !== undefined) throw capacityProviderInUse(used.capacityProvider);
  }
}

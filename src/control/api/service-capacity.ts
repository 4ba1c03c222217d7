/** Where a service's tasks may go by launch type or capacity provider strategy: what CreateService chooses, what UpdateService changes. */
import type { Realm } from '#model/arn.ts';
import { launchTypeOfProvider, type CapacityProviderStrategyItem } from '#model/capacity-provider.ts';
import type { Cluster } from '#model/cluster.ts';
import type { SchedulingStrategy, Service } from '#model/service.ts';
import { invalidParameter } from '#protocol/ecs/errors.ts';
import { checkedStrategy, chosenCapacity, type CapacityChoice } from './capacity-checks.ts';

type Strategy = readonly CapacityProviderStrategyItem[];

/** The cluster's default strategy is not for daemons: they go where their constraints say. */
export function capacityOfNewService(
  realm: Realm,
  cluster: Cluster,
  given: {
    launchType?: CapacityChoice['launchType'];
    capacityProviderStrategy?: Strategy;
    schedulingStrategy?: SchedulingStrategy;
  },
): CapacityChoice {
  if (given.schedulingStrategy !== 'DAEMON') return chosenCapacity(realm, cluster, given);
  refuseForDaemons(given.capacityProviderStrategy);
  return given.launchType === undefined ? {} : { launchType: given.launchType };
}

/**
 * The service with another strategy, or with none and its launch type again when the list is empty. That starts no deployment: the next
 * tasks go by it. Only a change between groups of instances and FARGATE has to come with one.
 */
export function withCapacity(
  realm: Realm,
  cluster: Cluster,
  service: Service,
  change: { capacityProviderStrategy?: Strategy; forceNewDeployment?: boolean },
): Service {
  const { capacityProviderStrategy: items, forceNewDeployment = false } = change;
  if (items === undefined) return service;
  if (service.schedulingStrategy === 'DAEMON') refuseForDaemons(items);
  const strategy = checkedStrategy(realm, cluster, items);
  const [first] = strategy;
  const launchType = first === undefined ? service.launchType : launchTypeOfProvider(first.capacityProvider);
  if (launchType !== service.launchType && !forceNewDeployment) {
    throw invalidParameter(
      'When switching from launch type to capacity provider strategy on an existing service, or making a change to a capacity provider strategy on a service that is already using one, you must force a new deployment.',
    );
  }
  const { capacityProviderStrategy: _, ...rest } = service;
  return { ...rest, launchType, ...(strategy.length === 0 ? {} : { capacityProviderStrategy: strategy }) };
}

/** For an update that starts no deployment: the one under way goes on by the strategy that the service has now. */
export function withCapacityUnderWay(service: Service): Service {
  const { capacityProviderStrategy: strategy } = service;
  return {
    ...service,
    deployments: service.deployments.map((deployment) => {
      if (deployment.status !== 'PRIMARY') return deployment;
      const { capacityProviderStrategy: _, ...rest } = deployment;
      return strategy === undefined ? rest : { ...rest, capacityProviderStrategy: strategy };
    }),
  };
}

function refuseForDaemons(items: Strategy = []): void {
  if (items.length > 0) {
    throw invalidParameter('The daemon scheduling strategy does not support capacity provider strategies.');
  }
}

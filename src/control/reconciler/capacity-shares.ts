/** How a launch is divided over capacity providers: which instances may take how many of its tasks, and which of them may wait for room. */
import {
  instanceGroupOf,
  isFargateProvider,
  isInGroup,
  type CapacityProvider,
  type CapacityStrategy,
} from '#model/capacity-provider.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { StoreTransaction } from '#control/store/store.ts';
import { shareOut } from '../scheduler/capacity-strategy.ts';

export interface CapacityShare {
  /** Absent: no provider was asked for. */
  capacityProviderName?: string;
  count: number;
  instances: readonly ContainerInstance[];
  /** The provider's managed scaling is ENABLED: what finds no room may wait for it. */
  waits: boolean;
}

export interface SharedLaunch {
  clusterName: string;
  count: number;
  capacityProviderStrategy?: CapacityStrategy | undefined;
  /** Of a service's tasks: those of the deployment that are there already count. */
  serviceName?: string | undefined;
  deploymentId?: string | undefined;
}

/** One share with everything when there is no strategy. */
export async function capacityShares(
  tx: StoreTransaction,
  launch: SharedLaunch,
  instances: readonly ContainerInstance[],
): Promise<CapacityShare[]> {
  const { count, capacityProviderStrategy: strategy } = launch;
  if (strategy === undefined || strategy.length === 0) return [{ count, instances, waits: false }];
  const providers = await tx.capacityProviders.getMany(strategy.map((item) => item.capacityProvider));
  return [...shareOut(strategy, count, await existingTasks(tx, launch))].map(([capacityProviderName, share]) => ({
    capacityProviderName,
    count: share,
    instances: instancesOfProvider(capacityProviderName, providers, instances),
    waits: providers.some(
      ({ name, autoScalingGroupProvider }) =>
        name === capacityProviderName && autoScalingGroupProvider.managedScaling.status === 'ENABLED',
    ),
  }));
}

/** FARGATE's are all instances: placement asks whether they can. A provider that is gone has none. */
export function instancesOfProvider(
  capacityProviderName: string | undefined,
  providers: readonly CapacityProvider[],
  instances: readonly ContainerInstance[],
): readonly ContainerInstance[] {
  if (capacityProviderName === undefined || isFargateProvider(capacityProviderName)) return instances;
  const provider = providers.find(({ name }) => name === capacityProviderName);
  if (provider === undefined) return [];
  const group = instanceGroupOf(provider.autoScalingGroupProvider);
  return instances.filter((instance) => isInGroup(instance, group));
}

async function existingTasks(
  tx: StoreTransaction,
  { clusterName, serviceName, deploymentId }: SharedLaunch,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  if (serviceName === undefined || deploymentId === undefined) return counts;
  const tasks = await tx.tasks.all({ clusterName, serviceName, startedBy: deploymentId, live: true });
  for (const { desiredStatus, capacityProviderName } of tasks) {
    if (desiredStatus === 'STOPPED' || capacityProviderName === undefined) continue;
    counts.set(capacityProviderName, (counts.get(capacityProviderName) ?? 0) + 1);
  }
  return counts;
}

/** CreateCapacityProvider, DescribeCapacityProviders, UpdateCapacityProvider, DeleteCapacityProvider, PutClusterCapacityProviders. */
import { capacityProviderArn, type Realm } from '#model/arn.ts';
import {
  defaultManagedScaling,
  fargateProviderNames,
  instanceGroupOf,
  isFargateProvider,
  isProviderName,
  providerNameOf,
  type AutoScalingGroupProvider,
  type CapacityProvider,
} from '#model/capacity-provider.ts';
import type { Failure } from '#model/placement.ts';
import {
  capacityProviderAssociated,
  capacityProviderExists,
  capacityProviderNameInvalid,
  capacityProviderNotFound,
  clientException,
  invalidParameter,
  unsupportedFeature,
} from '#protocol/ecs/errors.ts';
import type { InputOf } from '#protocol/ecs/operations.ts';
import {
  renderCapacityProvider,
  renderDeletedProvider,
  renderFargateProvider,
} from '#protocol/ecs/render-capacity-provider.ts';
import type { StoreTransaction } from '../store/store.ts';
import { checkedCapacity, refuseUsedProviders } from './capacity-checks.ts';
import { shownCluster } from './clusters.ts';
import type { Handlers } from './handler.ts';
import { activeCluster } from './lookups.ts';
import { everyPage, paged, pageOf } from './paging.ts';

const listPageSize = 10;

export const capacityProviderHandlers: Handlers<
  | 'CreateCapacityProvider'
  | 'DescribeCapacityProviders'
  | 'UpdateCapacityProvider'
  | 'DeleteCapacityProvider'
  | 'PutClusterCapacityProviders'
> = {
  async CreateCapacityProvider({ store, realm, clock }, input) {
    const { name, autoScalingGroupProvider: group, tags = [] } = input;
    refuseManagedInstances(input);
    if (group === undefined) throw invalidParameter('autoScalingGroupProvider: is required');
    if (!isProviderName(name)) throw capacityProviderNameInvalid();
    const provider: CapacityProvider = {
      capacityProviderArn: capacityProviderArn(realm, name),
      name,
      autoScalingGroupProvider: checkedGroup({
        autoScalingGroupArn: group.autoScalingGroupArn,
        managedScaling: { ...defaultManagedScaling, ...group.managedScaling },
        managedTerminationProtection: group.managedTerminationProtection ?? 'DISABLED',
        managedDraining: group.managedDraining ?? 'DISABLED',
      }),
      updateStatus: 'CREATE_COMPLETE',
      tags,
      createdAt: clock.now(),
    };
    await store.write(async (tx) => {
      const others = await everyPage((page) => tx.capacityProviders.list(page));
      if (others.some((other) => other.name === name)) throw capacityProviderExists();
      const taken = others.find((other) => groupOf(other) === groupOf(provider));
      if (taken !== undefined) throw groupTaken(taken);
      await tx.capacityProviders.put(provider);
    });
    return { capacityProvider: renderCapacityProvider(provider, { include: ['TAGS'] }) };
  },

  async DescribeCapacityProviders({ store, realm }, input) {
    const { capacityProviders: references, cluster: reference, include = [] } = input;
    return store.read(async (tx) => {
      const ofCluster =
        reference === undefined ? undefined : (await activeCluster(tx, realm, reference)).capacityProviders;
      const wanted = (name: string): boolean => ofCluster === undefined || ofCluster.includes(name);
      const made = await everyPage((page) => tx.capacityProviders.list(page));
      const all = new Map<string, object>([
        ...fargateProviderNames.map((name) => [name, renderFargateProvider(name, realm)] as const),
        ...made.map((provider) => [provider.name, renderCapacityProvider(provider, { include })] as const),
      ]);
      if (references === undefined || references.length === 0) {
        const { items, token } = await paged(
          { maxResults: listPageSize, ...input },
          { operation: 'DescribeCapacityProviders', reference },
          async (page) => pageOf([...all.keys()].filter(wanted), (name) => name, page),
        );
        return { capacityProviders: items.map((name) => all.get(name)), failures: [], ...token };
      }
      const names = new Set(references.map((each) => providerNameOf(realm, each) ?? each));
      const found = [...names].filter((name) => all.has(name) && wanted(name));
      const failures = [...names].filter((name) => !found.includes(name)).map((name) => missing(realm, name));
      return { capacityProviders: found.map((name) => all.get(name)), failures };
    });
  },

  async UpdateCapacityProvider({ store, realm }, input) {
    refuseManagedInstances(input);
    const { autoScalingGroupProvider: change } = input;
    if (change === undefined) throw invalidParameter('autoScalingGroupProvider: is required');
    return store.write(async (tx) => {
      const before = await requiredProvider(tx, realm, input.name);
      const group = before.autoScalingGroupProvider;
      const updated: CapacityProvider = {
        ...before,
        autoScalingGroupProvider: checkedGroup({
          ...group,
          managedScaling: { ...group.managedScaling, ...change.managedScaling },
          managedTerminationProtection: change.managedTerminationProtection ?? group.managedTerminationProtection,
          managedDraining: change.managedDraining ?? group.managedDraining,
        }),
        updateStatus: 'UPDATE_COMPLETE',
      };
      await tx.capacityProviders.put(updated);
      return { capacityProvider: renderCapacityProvider(updated, { include: ['TAGS'] }) };
    });
  },

  async DeleteCapacityProvider({ store, realm }, { capacityProvider: reference }) {
    return store.write(async (tx) => {
      const provider = await requiredProvider(tx, realm, reference);
      const clusters = await everyPage((page) => tx.clusters.list({ status: 'ACTIVE' }, page));
      const user = clusters.find(({ capacityProviders }) => capacityProviders.includes(provider.name));
      if (user !== undefined) throw capacityProviderAssociated(user.clusterName);
      await tx.capacityProviders.delete(provider.name);
      return { capacityProvider: renderDeletedProvider(provider) };
    });
  },

  async PutClusterCapacityProviders({ store, realm }, { cluster: reference, ...given }) {
    return store.write(async (tx) => {
      const before = await activeCluster(tx, realm, reference);
      const capacity = await checkedCapacity(tx, realm, given);
      const removed = before.capacityProviders.filter((name) => !capacity.capacityProviders.includes(name));
      await refuseUsedProviders(tx, before.clusterName, removed);
      const cluster = { ...before, ...capacity };
      await tx.clusters.put(cluster);
      return { cluster: await shownCluster(tx, cluster, ['SETTINGS', 'TAGS']) };
    });
  },
};

function refuseManagedInstances(input: InputOf<'CreateCapacityProvider'> | InputOf<'UpdateCapacityProvider'>): void {
  if (input.managedInstancesProvider !== undefined) {
    throw unsupportedFeature(
      'Capacity providers that make their own instances (managedInstancesProvider) are not supported.',
    );
  }
  if (input.cluster !== undefined) {
    throw invalidParameter('cluster: is only valid for capacity providers with a managedInstancesProvider.');
  }
}

function checkedGroup(group: AutoScalingGroupProvider): AutoScalingGroupProvider {
  const { managedScaling, managedTerminationProtection } = group;
  if (instanceGroupOf(group) === '') {
    throw invalidParameter('autoScalingGroupProvider.autoScalingGroupArn: names no group after autoScalingGroupName/.');
  }
  if (managedScaling.minimumScalingStepSize > managedScaling.maximumScalingStepSize) {
    throw invalidParameter('managedScaling: minimumScalingStepSize must not be greater than maximumScalingStepSize.');
  }
  if (managedTerminationProtection === 'ENABLED' && managedScaling.status !== 'ENABLED') {
    throw clientException(
      'The managed termination protection setting for the capacity provider is invalid. To enable managed termination protection for a capacity provider, managed scaling must be enabled.',
    );
  }
  return group;
}

function groupOf({ autoScalingGroupProvider }: CapacityProvider): string {
  return instanceGroupOf(autoScalingGroupProvider);
}

function groupTaken({ name }: CapacityProvider): Error {
  return clientException(
    `The specified Auto Scaling group ARN is already being used by another capacity provider (${name}). Specify a unique Auto Scaling group ARN and try again.`,
  );
}

async function requiredProvider(tx: StoreTransaction, realm: Realm, reference: string): Promise<CapacityProvider> {
  const name = providerNameOf(realm, reference) ?? '';
  if (isFargateProvider(name))
    throw clientException(`The capacity provider ${name} is reserved and cannot be changed or deleted.`);
  const provider = await tx.capacityProviders.get(name);
  if (provider === undefined) throw capacityProviderNotFound();
  return provider;
}

function missing(realm: Realm, name: string): Failure {
  return { arn: name.startsWith('arn:') ? name : capacityProviderArn(realm, name), reason: 'MISSING' };
}

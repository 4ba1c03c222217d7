/** An ACTIVE cluster, `default` unless it is named otherwise. */
import { clusterArn, defaultClusterName, defaultRealm } from '#model/arn.ts';
import type { Cluster } from '#model/cluster.ts';
import { builtAt } from './unique.ts';

export function aCluster(overrides: Partial<Cluster> = {}): Cluster {
  const clusterName = overrides.clusterName ?? defaultClusterName;
  return {
    clusterArn: clusterArn(defaultRealm, clusterName),
    clusterName,
    status: 'ACTIVE',
    settings: [],
    capacityProviders: [],
    defaultCapacityProviderStrategy: [],
    tags: [],
    createdAt: builtAt,
    ...overrides,
  };
}

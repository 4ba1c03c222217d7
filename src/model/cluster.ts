/** A cluster: the boundary within which tasks, services and container instances are named and placed. */
import type { CapacityProviderStrategyItem } from './capacity-provider.ts';
import type { Tag } from './tag.ts';

export type ClusterStatus = 'ACTIVE' | 'INACTIVE';

export interface ClusterSetting {
  name: string;
  value: string;
}

export interface Cluster {
  clusterArn: string;
  clusterName: string;
  status: ClusterStatus;
  settings: readonly ClusterSetting[];
  /** `executeCommandConfiguration` and the like, kept as sent. */
  configuration?: Readonly<Record<string, unknown>>;
  serviceConnectDefaults?: { namespace: string };
  /** Names of those that its tasks may use, built-in ones included. */
  capacityProviders: readonly string[];
  /** For tasks and services that say neither launch type nor strategy; empty means none. */
  defaultCapacityProviderStrategy: readonly CapacityProviderStrategyItem[];
  tags: readonly Tag[];
  /** Epoch milliseconds. */
  createdAt: number;
  deletedAt?: number;
}

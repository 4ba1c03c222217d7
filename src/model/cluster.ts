/** A cluster: the boundary within which tasks, services and container instances are named and placed. */
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
  capacityProviders: readonly string[];
  defaultCapacityProviderStrategy: readonly { capacityProvider: string; weight?: number; base?: number }[];
  tags: readonly Tag[];
  /** Epoch milliseconds. */
  createdAt: number;
  deletedAt?: number;
}

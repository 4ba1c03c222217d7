/** Clusters as answers show them. Statistics, settings and the like come only when asked for, but their lists are always there. */
import type { Cluster as SdkCluster } from '@aws-sdk/client-ecs';
import type { Cluster } from '#model/cluster.ts';
import { chosen, present, type Wire } from './wire.ts';

export type ClusterField = 'ATTACHMENTS' | 'CONFIGURATIONS' | 'SETTINGS' | 'STATISTICS' | 'TAGS';

export interface LaunchTypeCounts {
  readonly runningTasks: number;
  readonly pendingTasks: number;
  readonly activeServices: number;
  readonly drainingServices: number;
}

export interface ClusterCounts {
  readonly registeredContainerInstances: number;
  readonly byLaunchType: Readonly<Record<'EC2' | 'FARGATE' | 'EXTERNAL', LaunchTypeCounts>>;
}

export interface ClusterView {
  readonly counts: ClusterCounts;
  readonly include: readonly ClusterField[];
}

/** What is kept as it was sent is not looked into here. */
export type WireCluster = Wire<Omit<SdkCluster, 'configuration' | 'settings'>> & Readonly<Record<string, unknown>>;

export const noTasksOrServices: LaunchTypeCounts = {
  runningTasks: 0,
  pendingTasks: 0,
  activeServices: 0,
  drainingServices: 0,
};

export function renderCluster(cluster: Cluster, { counts, include }: ClusterView): WireCluster {
  const launchTypes = Object.values(counts.byLaunchType);
  const total = (name: keyof LaunchTypeCounts) => launchTypes.reduce((sum, part) => sum + part[name], 0);
  return present({
    clusterArn: cluster.clusterArn,
    clusterName: cluster.clusterName,
    status: cluster.status,
    registeredContainerInstancesCount: counts.registeredContainerInstances,
    runningTasksCount: total('runningTasks'),
    pendingTasksCount: total('pendingTasks'),
    activeServicesCount: total('activeServices'),
    statistics: include.includes('STATISTICS') ? statistics(counts) : [],
    settings: include.includes('SETTINGS') ? cluster.settings : [],
    tags: include.includes('TAGS') ? cluster.tags : [],
    attachments: include.includes('ATTACHMENTS') ? [] : undefined,
    configuration: include.includes('CONFIGURATIONS') ? configuration(cluster) : undefined,
    capacityProviders: cluster.capacityProviders,
    defaultCapacityProviderStrategy: cluster.defaultCapacityProviderStrategy,
    serviceConnectDefaults: cluster.serviceConnectDefaults,
  });
}

function configuration(cluster: Cluster): Readonly<Record<string, unknown>> | undefined {
  return cluster.configuration === undefined
    ? undefined
    : chosen(cluster.configuration, ['executeCommandConfiguration', 'managedStorageConfiguration']);
}

/** Names and order as ECS has them. */
function statistics(counts: ClusterCounts): { name: string; value: string }[] {
  const parts = [
    ['EC2', counts.byLaunchType.EC2],
    ['Fargate', counts.byLaunchType.FARGATE],
    ['External', counts.byLaunchType.EXTERNAL],
  ] as const;
  return [
    ...parts.map(([part, { runningTasks }]) => ({ name: `running${part}TasksCount`, value: String(runningTasks) })),
    ...parts.map(([part, { pendingTasks }]) => ({ name: `pending${part}TasksCount`, value: String(pendingTasks) })),
    ...parts.map(([part, { activeServices }]) => ({
      name: `active${part}ServiceCount`,
      value: String(activeServices),
    })),
    ...parts.map(([part, { drainingServices }]) => ({
      name: `draining${part}ServiceCount`,
      value: String(drainingServices),
    })),
  ];
}

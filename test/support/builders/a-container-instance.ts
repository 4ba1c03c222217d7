/** An ACTIVE, connected, healthy machine of two cores and 4 GiB in the cluster `default`; ARN and machine are new each time. */
import { containerInstanceArn, defaultClusterName, defaultRealm } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { InstanceResources } from '#model/resources.ts';
import { builtAt, uniqueId } from './unique.ts';

export type ContainerInstanceOverrides = Partial<Omit<ContainerInstance, 'resources'>> & {
  resources?: Partial<InstanceResources>;
};

export function aContainerInstance({ resources, ...overrides }: ContainerInstanceOverrides = {}): ContainerInstance {
  const clusterName = overrides.clusterName ?? defaultClusterName;
  const id = uniqueId();
  return {
    containerInstanceArn: containerInstanceArn(defaultRealm, clusterName, id),
    clusterName,
    machineId: `machine-${id}`,
    hostname: `host-${id.slice(-4)}`,
    status: 'ACTIVE',
    agentConnected: true,
    agentConnectedChangedAt: builtAt,
    agentAttributes: [],
    customAttributes: [],
    versionInfo: { agentVersion: '0.1.0', dockerVersion: '20.10.24' },
    health: { status: 'OK', updatedAt: builtAt, changedAt: builtAt },
    registeredAt: builtAt,
    tags: [],
    version: 1,
    assignmentNumber: 0,
    ...overrides,
    resources: { cpu: 2048, memoryMiB: 4096, takenPorts: [], gpuIds: [], ...resources },
  };
}

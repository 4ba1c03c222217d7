/** Container instances as answers show them. */
import type { ContainerInstance as SdkContainerInstance, Resource as SdkResource } from '@aws-sdk/client-ecs';
import { type ContainerInstance, instanceAttributes } from '#model/container-instance.ts';
import type { InstanceResources, TransportProtocol } from '#model/resources.ts';
import { present, seconds, type Wire } from './wire.ts';

export interface ContainerInstanceView {
  /** What its tasks leave free; see `remainingResources` in #model/resources.ts. */
  readonly remaining: InstanceResources;
  readonly runningTasks: number;
  readonly pendingTasks: number;
  readonly include?: readonly ('TAGS' | 'CONTAINER_INSTANCE_HEALTH')[];
}

export function renderContainerInstance(
  instance: ContainerInstance,
  { remaining, runningTasks, pendingTasks, include = [] }: ContainerInstanceView,
): Wire<SdkContainerInstance> {
  return present({
    containerInstanceArn: instance.containerInstanceArn,
    ec2InstanceId: instance.machineId,
    version: instance.version,
    versionInfo: instance.versionInfo,
    registeredResources: renderResources(instance.resources),
    remainingResources: renderResources(remaining),
    status: instance.status,
    statusReason: instance.statusReason,
    agentConnected: instance.agentConnected,
    runningTasksCount: runningTasks,
    pendingTasksCount: pendingTasks,
    attributes: instanceAttributes(instance),
    registeredAt: seconds(instance.registeredAt),
    attachments: [],
    tags: include.includes('TAGS') ? instance.tags : [],
    healthStatus: include.includes('CONTAINER_INSTANCE_HEALTH') ? healthStatus(instance) : undefined,
  });
}

function healthStatus({ health }: ContainerInstance): NonNullable<Wire<SdkContainerInstance>['healthStatus']> {
  return {
    overallStatus: health.status,
    details: [
      present({
        type: 'CONTAINER_RUNTIME' as const,
        status: health.status,
        statusReason: health.reason,
        lastUpdated: seconds(health.updatedAt),
        lastStatusChange: seconds(health.changedAt),
      }),
    ],
  };
}

function renderResources(resources: InstanceResources): Wire<SdkResource>[] {
  const rendered = [
    integerResource('CPU', resources.cpu),
    integerResource('MEMORY', resources.memoryMiB),
    stringSetResource('PORTS', takenPorts(resources, 'tcp')),
    stringSetResource('PORTS_UDP', takenPorts(resources, 'udp')),
  ];
  if (resources.gpuIds.length > 0) rendered.push(stringSetResource('GPU', resources.gpuIds));
  return rendered;
}

function integerResource(name: string, integerValue: number): Wire<SdkResource> {
  return { name, type: 'INTEGER', doubleValue: 0, longValue: 0, integerValue };
}

function stringSetResource(name: string, stringSetValue: readonly string[]): Wire<SdkResource> {
  return { name, type: 'STRINGSET', doubleValue: 0, longValue: 0, integerValue: 0, stringSetValue };
}

function takenPorts(resources: InstanceResources, protocol: TransportProtocol): string[] {
  return resources.takenPorts.filter((taken) => taken.protocol === protocol).map((taken) => String(taken.port));
}

/** Container instances as answers show them. */
import type { ContainerInstance as SdkContainerInstance, Resource as SdkResource } from '@aws-sdk/client-ecs';
import {
  type ContainerInstance,
  instanceAttributes,
  type InstanceHealthDetail,
  type InstanceHealthStatus,
} from '#model/container-instance.ts';
import type { InstanceResources, TransportProtocol } from '#model/resources.ts';
import { present, seconds, type Wire } from './wire.ts';

export type RenderedInstance = Omit<Wire<SdkContainerInstance>, 'healthStatus'> & { healthStatus?: RenderedHealth };

export interface ContainerInstanceView {
  /** What its tasks leave free; see `remainingResources` in #model/resources.ts. */
  readonly remaining: InstanceResources;
  readonly runningTasks: number;
  readonly pendingTasks: number;
  /** Instead of the row's own. */
  readonly statusReason?: string | undefined;
  /** Of the cluster's providers, the one whose group it is in. */
  readonly capacityProviderName?: string | undefined;
  readonly include?: readonly ('TAGS' | 'CONTAINER_INSTANCE_HEALTH')[];
}

export function renderContainerInstance(
  instance: ContainerInstance,
  { remaining, runningTasks, pendingTasks, statusReason, capacityProviderName, include = [] }: ContainerInstanceView,
): RenderedInstance {
  return present({
    containerInstanceArn: instance.containerInstanceArn,
    ec2InstanceId: instance.machineId,
    capacityProviderName,
    version: instance.version,
    versionInfo: instance.versionInfo,
    registeredResources: renderResources(instance.resources),
    remainingResources: renderResources(remaining),
    status: instance.status,
    statusReason: statusReason ?? instance.statusReason ?? failedUpdate(instance),
    agentConnected: instance.agentConnected,
    agentUpdateStatus: instance.agentUpdate?.status,
    runningTasksCount: runningTasks,
    pendingTasksCount: pendingTasks,
    attributes: instanceAttributes(instance),
    registeredAt: seconds(instance.registeredAt),
    attachments: [],
    tags: include.includes('TAGS') ? instance.tags : [],
    healthStatus: include.includes('CONTAINER_INSTANCE_HEALTH') ? renderHealth(instance) : undefined,
  });
}

/** ECS has no field for why an update failed. */
function failedUpdate({ agentUpdate }: ContainerInstance): string | undefined {
  if (agentUpdate?.status !== 'FAILED') return undefined;
  return `The agent was not updated to ${agentUpdate.version}: ${agentUpdate.reason ?? 'it did not say why'}`;
}

/** ECS's `healthStatus`, with the agent's own checks beside ECS's types: clients take any text there. */
export interface RenderedHealth {
  overallStatus: InstanceHealthStatus;
  details: {
    type: string;
    status: InstanceHealthStatus;
    statusReason?: string;
    lastUpdated: number;
    lastStatusChange: number;
  }[];
}

function renderHealth({ health, agentConnected, agentConnectedChangedAt }: ContainerInstance): RenderedHealth {
  const connectivity: InstanceHealthDetail = {
    type: 'AGENT_CONNECTIVITY',
    status: agentConnected ? 'OK' : 'IMPAIRED',
    ...(!agentConnected && { reason: 'the agent has no session with control' }),
    updatedAt: agentConnectedChangedAt,
    changedAt: agentConnectedChangedAt,
  };
  const reported = health.details ?? [{ type: 'CONTAINER_RUNTIME', ...health }];
  return {
    overallStatus: agentConnected ? health.status : 'IMPAIRED',
    details: [...reported, connectivity].map(({ type, status, reason, updatedAt, changedAt }) => ({
      type,
      status,
      ...(reason !== undefined && { statusReason: reason }),
      lastUpdated: seconds(updatedAt),
      lastStatusChange: seconds(changedAt),
    })),
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

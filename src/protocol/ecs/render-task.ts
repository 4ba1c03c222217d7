/** Tasks and their containers as answers show them. */
import type {
  Attachment as SdkAttachment,
  Attribute as SdkAttribute,
  Container as SdkContainer,
  ProtectedTask as SdkProtectedTask,
  Task as SdkTask,
} from '@aws-sdk/client-ecs';
import { clusterArn, type Realm } from '#model/arn.ts';
import { fargatePlatform } from '#model/fargate.ts';
import { isProtected } from '#model/task-protection.ts';
import { hasStopped, networkAttachmentStatus, type Task, type TaskContainer } from '#model/task.ts';
import { utcTime } from '#model/utc-time.ts';
import { optionalSeconds, present, seconds, type Wire } from './wire.ts';

export interface TaskView {
  readonly realm: Realm;
  /** As the caller asked; without TAGS there are none. */
  readonly include?: readonly 'TAGS'[];
}

export function renderTask(task: Task, { realm, include = [] }: TaskView): Wire<SdkTask> {
  return present({
    taskArn: task.taskArn,
    clusterArn: clusterArn(realm, task.clusterName),
    taskDefinitionArn: task.taskDefinitionArn,
    containerInstanceArn: task.containerInstanceArn,
    group: task.group,
    startedBy: task.startedBy,
    launchType: task.launchType,
    capacityProviderName: task.capacityProviderName,
    availabilityZone: task.availabilityZone,
    desiredStatus: task.desiredStatus,
    lastStatus: task.lastStatus,
    healthStatus: task.healthStatus,
    connectivity: task.connectivity,
    connectivityAt: optionalSeconds(task.connectivityAt),
    cpu: task.cpu,
    memory: task.memory,
    containers: task.containers.map((container) => renderContainer(container, task)),
    attachments: attachmentsOf(task),
    attributes: lossOf(task),
    overrides: { ...task.overrides, containerOverrides: task.overrides.containerOverrides ?? [] },
    ephemeralStorage: task.ephemeralStorage,
    ...(task.launchType === 'FARGATE'
      ? { platformVersion: fargatePlatform.version, platformFamily: fargatePlatform.family }
      : {}),
    enableExecuteCommand: task.enableExecuteCommand,
    createdAt: seconds(task.createdAt),
    pullStartedAt: optionalSeconds(task.pullStartedAt),
    pullStoppedAt: optionalSeconds(task.pullStoppedAt),
    startedAt: optionalSeconds(task.startedAt),
    stoppingAt: optionalSeconds(task.stoppingAt),
    executionStoppedAt: optionalSeconds(task.executionStoppedAt),
    stoppedAt: optionalSeconds(task.stoppedAt),
    stopCode: task.stopCode,
    stoppedReason: task.stoppedReason,
    version: task.version,
    tags: include.includes('TAGS') ? task.tags : [],
  });
}

/** ECS has no word for it; an attribute is where tools show what they do not know. */
function lossOf(task: Task): Wire<SdkAttribute>[] {
  if (task.lostAt === undefined || hasStopped(task)) return [];
  return [{ name: 'berth.lost-at', value: utcTime(task.lostAt) }];
}

function attachmentsOf(task: Task): Wire<SdkAttachment>[] {
  const attachment = task.networkAttachment;
  if (attachment === undefined) return [];
  const { id, subnetId, networkInterfaceId, macAddress, privateIpv4Address } = attachment;
  const facts = { subnetId, networkInterfaceId, macAddress, privateIPv4Address: privateIpv4Address };
  const details = Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
  return [{ id, type: 'ElasticNetworkInterface', status: networkAttachmentStatus(task), details }];
}

/** All containers of a task share its one interface. */
function networkInterfacesOf({ networkAttachment }: Task): NonNullable<Wire<SdkContainer>['networkInterfaces']> {
  if (networkAttachment?.privateIpv4Address === undefined) return [];
  return [{ attachmentId: networkAttachment.id, privateIpv4Address: networkAttachment.privateIpv4Address }];
}

function renderContainer(container: TaskContainer, task: Task): Wire<SdkContainer> {
  return present({
    containerArn: container.containerArn,
    taskArn: task.taskArn,
    name: container.name,
    image: container.image,
    imageDigest: container.imageDigest,
    runtimeId: container.runtimeId,
    lastStatus: container.lastStatus,
    exitCode: container.exitCode,
    reason: container.reason,
    healthStatus: container.healthStatus,
    networkBindings: container.networkBindings,
    networkInterfaces: networkInterfacesOf(task),
    cpu: container.cpu,
    memory: container.memory,
    memoryReservation: container.memoryReservation,
    gpuIds: container.gpuIds,
    managedAgents: managedAgentsOf(container, task),
  });
}

/** What runs commands is the task's own agent, so it is where the container is, as soon as that runs. */
function managedAgentsOf({ lastStatus }: TaskContainer, task: Task): Wire<SdkContainer>['managedAgents'] {
  if (!task.enableExecuteCommand) return undefined;
  const stopped = lastStatus === 'STOPPED' ? { reason: 'Received Container Stopped event' } : {};
  const started = lastStatus === 'PENDING' ? undefined : optionalSeconds(task.startedAt);
  return [present({ name: 'ExecuteCommandAgent' as const, lastStatus, lastStartedAt: started, ...stopped })];
}

/** A protection that has run out is none. */
export function renderProtectedTask(task: Task, now: number): Wire<SdkProtectedTask> {
  const protectionEnabled = isProtected(task, now);
  return present({
    taskArn: task.taskArn,
    protectionEnabled,
    expirationDate: protectionEnabled ? optionalSeconds(task.protectedUntil) : undefined,
  });
}

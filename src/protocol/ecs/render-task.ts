/** Tasks and their containers as answers show them. */
import type { Container as SdkContainer, Task as SdkTask } from '@aws-sdk/client-ecs';
import { clusterArn, type Realm } from '#model/arn.ts';
import type { Task, TaskContainer } from '#model/task.ts';
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
    availabilityZone: task.availabilityZone,
    desiredStatus: task.desiredStatus,
    lastStatus: task.lastStatus,
    healthStatus: task.healthStatus,
    connectivity: task.connectivity,
    connectivityAt: optionalSeconds(task.connectivityAt),
    cpu: task.cpu,
    memory: task.memory,
    containers: task.containers.map((container) => renderContainer(container, task)),
    attachments: [],
    attributes: [],
    overrides: { ...task.overrides, containerOverrides: task.overrides.containerOverrides ?? [] },
    ephemeralStorage: task.overrides.ephemeralStorage,
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
    networkInterfaces: [],
    cpu: container.cpu,
    memory: container.memory,
    memoryReservation: container.memoryReservation,
    gpuIds: container.gpuIds,
  });
}

/**
 * A RUNNING task of `web:1` in the cluster `default`, with a new ARN each time and on no instance unless one is given. What follows
 * from other fields does so here too: the group from service or family, `startedBy` from the deployment, the definition's ARN.
 */
import { defaultClusterName, defaultRealm, taskArn, taskDefinitionArn } from '#model/arn.ts';
import type { TaskResources } from '#model/resources.ts';
import type { Task } from '#model/task.ts';
import { aTaskContainer } from './a-task-container.ts';
import { builtAt, uniqueId } from './unique.ts';

export type TaskOverrides = Partial<Omit<Task, 'resources'>> & { resources?: Partial<TaskResources> };

export function aTask({ resources, ...overrides }: TaskOverrides = {}): Task {
  const clusterName = overrides.clusterName ?? defaultClusterName;
  const family = overrides.family ?? 'web';
  const revision = overrides.revision ?? 1;
  const { serviceName, deploymentId } = overrides;
  const stopped = overrides.lastStatus === 'STOPPED';
  return {
    taskArn: taskArn(defaultRealm, clusterName, uniqueId()),
    clusterName,
    taskDefinitionArn: taskDefinitionArn(defaultRealm, family, revision),
    family,
    revision,
    group: serviceName === undefined ? `family:${family}` : `service:${serviceName}`,
    ...(deploymentId === undefined ? {} : { startedBy: deploymentId }),
    launchType: 'EC2',
    desiredStatus: stopped ? 'STOPPED' : 'RUNNING',
    lastStatus: 'RUNNING',
    healthStatus: 'UNKNOWN',
    cpu: '100',
    memory: '64',
    gpuIds: [],
    containers: [aTaskContainer(stopped ? { lastStatus: 'STOPPED', exitCode: 0 } : {})],
    overrides: {},
    enableExecuteCommand: false,
    tags: [],
    createdAt: builtAt,
    ...(stopped ? { stoppedAt: builtAt } : {}),
    version: 1,
    assignmentNumber: 0,
    stateChangeNumber: 0,
    ...overrides,
    resources: { cpu: 100, memoryMiB: 64, ports: [], gpuCount: 0, ...resources },
  };
}

/** Task sets as answers show them. */
import type { TaskSet as SdkTaskSet } from '@aws-sdk/client-ecs';
import { clusterArn, taskSetArn, type Realm } from '#model/arn.ts';
import { fargatePlatform, fargatePlatformVersions } from '#model/fargate.ts';
import type { Service } from '#model/service.ts';
import { computedDesiredCount, taskSetStatus, type TaskSet } from '#model/task-set.ts';
import { chosen, present, seconds, type Wire } from './wire.ts';

/** Returned as they were sent and not looked into here. */
const keptMembers = ['loadBalancers', 'platformVersion', 'serviceRegistries'] as const;

export type WireTaskSet = Wire<Omit<SdkTaskSet, (typeof keptMembers)[number]>> & Readonly<Record<string, unknown>>;

export interface TaskSetView {
  readonly realm: Realm;
  readonly service: Service;
  /** Of the task set. */
  readonly counts: { readonly running: number; readonly pending: number };
  /** As the caller asked; without TAGS there are none. */
  readonly include?: readonly 'TAGS'[];
}

export function renderTaskSet(set: TaskSet, { realm, service, counts, include = [] }: TaskSetView): WireTaskSet {
  const { taskSet } = set;
  return {
    loadBalancers: [],
    serviceRegistries: [],
    ...(set.launchType === 'FARGATE' ? { platformVersion: fargatePlatformVersions[0] } : {}),
    ...chosen(taskSet.kept, keptMembers),
    ...present({
      id: set.id,
      taskSetArn: taskSetArn(realm, service.clusterName, service.serviceName, set.id),
      serviceArn: service.serviceArn,
      clusterArn: clusterArn(realm, service.clusterName),
      externalId: taskSet.externalId,
      status: taskSetStatus(set),
      taskDefinition: set.taskDefinitionArn,
      computedDesiredCount: computedDesiredCount(service, set),
      pendingCount: counts.pending,
      runningCount: counts.running,
      createdAt: seconds(set.createdAt),
      updatedAt: seconds(set.updatedAt),
      launchType: set.capacityProviderStrategy === undefined ? set.launchType : undefined,
      capacityProviderStrategy: set.capacityProviderStrategy,
      platformFamily: set.launchType === 'FARGATE' ? fargatePlatform.family : undefined,
      networkConfiguration: set.networkConfiguration,
      scale: { value: taskSet.scalePercent, unit: 'PERCENT' as const },
      stabilityStatus: taskSet.stabilityStatus,
      stabilityStatusAt: seconds(taskSet.stabilityStatusAt),
      tags: include.includes('TAGS') ? taskSet.tags : undefined,
    }),
  };
}

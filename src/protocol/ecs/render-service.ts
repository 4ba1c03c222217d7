/** Services, their deployments and events as answers show them. */
import type {
  Deployment as SdkDeployment,
  Service as SdkService,
  ServiceEvent as SdkServiceEvent,
} from '@aws-sdk/client-ecs';
import { clusterArn, type Realm } from '#model/arn.ts';
import type { Deployment } from '#model/deployment.ts';
import { fargatePlatform, fargatePlatformVersions } from '#model/fargate.ts';
import { serviceDeploymentArn, serviceRevisionArn } from '#model/service-deployment.ts';
import type { Service, ServiceEvent } from '#model/service.ts';
import { renderRevisionSummary } from './render-service-deployment.ts';
import { isTaskSet, taskSetsOf } from '#model/task-set.ts';
import { renderTaskSet, type WireTaskSet } from './render-task-set.ts';
import { chosen, present, seconds, type Wire } from './wire.ts';

export interface TaskCounts {
  readonly running: number;
  readonly pending: number;
}

export interface ServiceView {
  readonly realm: Realm;
  /** By deployment id; a deployment that is not there has no tasks. */
  readonly counts: ReadonlyMap<string, TaskCounts>;
  /** As the caller asked; without TAGS there are none. */
  readonly include?: readonly 'TAGS'[];
}

/** Members that come from `Service.kept` are returned as they were sent and not looked into here. */
const keptByService = ['loadBalancers', 'platformVersion', 'serviceRegistries'] as const;
const keptByDeployment = [
  'platformVersion',
  'serviceConnectConfiguration',
  'volumeConfigurations',
  'vpcLatticeConfigurations',
] as const;

type Kept = Readonly<Record<string, unknown>>;
export type WireDeployment = Wire<Omit<SdkDeployment, (typeof keptByDeployment)[number]>> & Kept;
export type WireService = Wire<
  Omit<SdkService, (typeof keptByService)[number] | 'deploymentConfiguration' | 'deployments' | 'taskSets'>
> &
  Kept & { readonly deployments: readonly WireDeployment[]; readonly taskSets?: readonly WireTaskSet[] };

export function renderService(service: Service, { realm, counts, include = [] }: ServiceView): WireService {
  const { rest, ...deploymentConfiguration } = service.deploymentConfiguration;
  const all = [...counts.values()];
  const external = service.deploymentController === 'EXTERNAL';
  /** With task sets the service shows what its primary one runs. */
  const shown = external ? taskSetsOf(service).find(({ status }) => status === 'PRIMARY') : service;
  return {
    loadBalancers: [],
    serviceRegistries: [],
    ...(shown?.launchType === 'FARGATE' ? { platformVersion: fargatePlatformVersions[0] } : {}),
    ...chosen(service.kept, keptByService),
    // Of launch type and capacity provider strategy ECS shows one, never both.
    ...present({
      platformFamily: shown?.launchType === 'FARGATE' ? fargatePlatform.family : undefined,
      serviceArn: service.serviceArn,
      serviceName: service.serviceName,
      clusterArn: clusterArn(realm, service.clusterName),
      status: service.status,
      desiredCount: service.desiredCount,
      runningCount: all.reduce((sum, { running }) => sum + running, 0),
      pendingCount: all.reduce((sum, { pending }) => sum + pending, 0),
      launchType: shown?.capacityProviderStrategy === undefined ? shown?.launchType : undefined,
      capacityProviderStrategy: shown?.capacityProviderStrategy,
      taskDefinition: shown?.taskDefinitionArn,
      deploymentConfiguration: { ...rest, ...deploymentConfiguration },
      ...currentHistory(service, counts),
      deployments: service.deployments
        .filter((deployment) => deployment.status !== 'INACTIVE' && !isTaskSet(deployment))
        .map((deployment) => renderDeployment(deployment, service, counts)),
      taskSets: external
        ? taskSetsOf(service).map((set) =>
            renderTaskSet(set, { realm, service, counts: counts.get(set.id) ?? { running: 0, pending: 0 }, include }),
          )
        : undefined,
      events: service.events.map(renderServiceEvent),
      createdAt: seconds(service.createdAt),
      createdBy: service.createdBy,
      placementConstraints: service.placementConstraints,
      placementStrategy: service.placementStrategy,
      networkConfiguration: shown?.networkConfiguration,
      healthCheckGracePeriodSeconds: service.healthCheckGracePeriodSeconds,
      schedulingStrategy: service.schedulingStrategy,
      deploymentController: { type: service.deploymentController },
      enableECSManagedTags: service.enableECSManagedTags,
      propagateTags: service.propagateTags,
      enableExecuteCommand: service.enableExecuteCommand,
      availabilityZoneRebalancing: service.availabilityZoneRebalancing,
      roleArn: typeof service.kept['role'] === 'string' ? service.kept['role'] : undefined,
      tags: include.includes('TAGS') ? service.tags : undefined,
    }),
  };
}

/** The service deployment under way, or the last one, and the revisions that have tasks or are to have some. */
function currentHistory(
  service: Service,
  counts: ServiceView['counts'],
): Pick<WireService, 'currentServiceDeployment' | 'currentServiceRevisions'> {
  const { serviceArn, deployments, desiredCount, deploymentController } = service;
  const primary = deployments.find(({ status }) => status === 'PRIMARY');
  if (primary === undefined || deploymentController !== 'ECS') return {};
  const { rollbackOf, rolloutState, id } = primary;
  const current = rollbackOf !== undefined && rolloutState === 'IN_PROGRESS' ? rollbackOf : id;
  return {
    currentServiceDeployment: serviceDeploymentArn(serviceArn, current),
    currentServiceRevisions: deployments.flatMap((deployment) => {
      const { running, pending } = counts.get(deployment.id) ?? { running: 0, pending: 0 };
      const requested = deployment === primary ? desiredCount : 0;
      if (requested + running + pending === 0 && deployment !== primary) return [];
      return [renderRevisionSummary(serviceRevisionArn(serviceArn, deployment.id), { requested, running, pending })];
    }),
  };
}

function renderDeployment(deployment: Deployment, service: Service, counts: ServiceView['counts']): WireDeployment {
  const tasks = counts.get(deployment.id) ?? { running: 0, pending: 0 };
  return {
    ...(deployment.status === 'PRIMARY' ? chosen(service.kept, keptByDeployment) : {}),
    ...present({
      id: deployment.id,
      status: deployment.status,
      taskDefinition: deployment.taskDefinitionArn,
      desiredCount: deployment.desiredCount,
      pendingCount: tasks.pending,
      runningCount: tasks.running,
      failedTasks: deployment.failedTasks,
      createdAt: seconds(deployment.createdAt),
      updatedAt: seconds(deployment.updatedAt),
      launchType: deployment.capacityProviderStrategy === undefined ? deployment.launchType : undefined,
      capacityProviderStrategy: deployment.capacityProviderStrategy,
      networkConfiguration: deployment.networkConfiguration,
      rolloutState: deployment.rolloutState,
      rolloutStateReason: deployment.rolloutStateReason,
    }),
  };
}

function renderServiceEvent({ id, createdAt, message }: ServiceEvent): Wire<SdkServiceEvent> {
  return { id, createdAt: seconds(createdAt), message };
}

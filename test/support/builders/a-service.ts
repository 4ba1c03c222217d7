/** An ACTIVE replica service `web` of one task in the cluster `default`. Its one deployment follows the service's own fields. */
import { defaultClusterName, defaultRealm, serviceArn, taskDefinitionArn } from '#model/arn.ts';
import type { DeploymentConfiguration, Service } from '#model/service.ts';
import { aDeployment } from './a-deployment.ts';
import { builtAt } from './unique.ts';

export type ServiceOverrides = Partial<Omit<Service, 'deploymentConfiguration'>> & {
  deploymentConfiguration?: Partial<DeploymentConfiguration>;
};

export function aService({ deploymentConfiguration, ...overrides }: ServiceOverrides = {}): Service {
  const clusterName = overrides.clusterName ?? defaultClusterName;
  const serviceName = overrides.serviceName ?? 'web';
  const desiredCount = overrides.desiredCount ?? 1;
  const launchType = overrides.launchType ?? 'EC2';
  const definition = overrides.taskDefinitionArn ?? taskDefinitionArn(defaultRealm, 'web', 1);
  const deployments = overrides.deployments ?? [
    aDeployment({ desiredCount, launchType, taskDefinitionArn: definition }),
  ];
  return {
    serviceArn: serviceArn(defaultRealm, clusterName, serviceName),
    serviceName,
    clusterName,
    status: 'ACTIVE',
    schedulingStrategy: 'REPLICA',
    desiredCount,
    taskDefinitionArn: definition,
    launchType,
    deploymentController: 'ECS',
    deployments,
    events: [],
    placementConstraints: [],
    placementStrategy: [],
    enableExecuteCommand: false,
    enableECSManagedTags: false,
    propagateTags: 'NONE',
    availabilityZoneRebalancing: 'DISABLED',
    kept: {},
    createdAt: builtAt,
    tags: [],
    ...overrides,
    deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 200, ...deploymentConfiguration },
  };
}

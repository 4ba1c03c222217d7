/** A service deployment of `web` in progress, and the revision that it rolls out; their number is new each time. */
import { defaultClusterName, defaultRealm, serviceArn, taskDefinitionArn } from '#model/arn.ts';
import {
  serviceDeploymentArn,
  serviceRevisionArn,
  type ServiceDeployment,
  type ServiceRevision,
} from '#model/service-deployment.ts';
import { aDeployment } from './a-deployment.ts';
import { builtAt } from './unique.ts';

const web = serviceArn(defaultRealm, defaultClusterName, 'web');

export function aServiceDeployment(overrides: Partial<ServiceDeployment> = {}): ServiceDeployment {
  const deploymentId = overrides.deploymentId ?? aDeployment().id;
  const arn = overrides.serviceArn ?? web;
  return {
    serviceDeploymentArn: serviceDeploymentArn(arn, deploymentId),
    serviceArn: arn,
    clusterName: defaultClusterName,
    serviceName: 'web',
    deploymentId,
    status: 'IN_PROGRESS',
    sourceRevisionArns: [],
    targetRevisionArn: serviceRevisionArn(arn, deploymentId),
    deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 200 },
    circuitBreaker: { status: 'DISABLED', failureCount: 0, threshold: 3 },
    createdAt: builtAt,
    updatedAt: builtAt,
    ...overrides,
  };
}

export function aServiceRevision(overrides: Partial<ServiceRevision> = {}): ServiceRevision {
  const deploymentId = overrides.deploymentId ?? aDeployment().id;
  const arn = overrides.serviceArn ?? web;
  return {
    serviceRevisionArn: serviceRevisionArn(arn, deploymentId),
    serviceArn: arn,
    clusterName: defaultClusterName,
    serviceName: 'web',
    deploymentId,
    taskDefinitionArn: taskDefinitionArn(defaultRealm, 'web', 1),
    launchType: 'EC2',
    containerImages: [{ containerName: 'main', image: 'busybox' }],
    kept: {},
    createdAt: builtAt,
    ...overrides,
  };
}

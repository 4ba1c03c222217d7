/** Service deployments and service revisions as answers show them. */
import type {
  ServiceDeployment as SdkServiceDeployment,
  ServiceDeploymentBrief as SdkServiceDeploymentBrief,
  ServiceRevision as SdkServiceRevision,
  ServiceRevisionSummary as SdkServiceRevisionSummary,
} from '@aws-sdk/client-ecs';
import { clusterArn, type Realm } from '#model/arn.ts';
import { fargatePlatform, fargatePlatformVersions } from '#model/fargate.ts';
import type { ServiceDeployment, ServiceRevision } from '#model/service-deployment.ts';
import { chosen, optionalSeconds, present, seconds, type Wire } from './wire.ts';

/** Tasks of one revision. */
export interface RevisionCounts {
  readonly requested: number;
  readonly running: number;
  readonly pending: number;
}

export type WireRevisionSummary = Wire<SdkServiceRevisionSummary>;

export function renderRevisionSummary(
  arn: string,
  { requested, running, pending }: RevisionCounts,
): WireRevisionSummary {
  return { arn, requestedTaskCount: requested, runningTaskCount: running, pendingTaskCount: pending };
}

export interface ServiceDeploymentView {
  readonly realm: Realm;
  /** By revision ARN; a revision that is not there has no tasks and wants none. */
  readonly counts: ReadonlyMap<string, RevisionCounts>;
}

export type WireServiceDeployment = Wire<Omit<SdkServiceDeployment, 'deploymentConfiguration'>> & {
  readonly deploymentConfiguration: Readonly<Record<string, unknown>>;
};

export function renderServiceDeployment(
  deployment: ServiceDeployment,
  { realm, counts }: ServiceDeploymentView,
): WireServiceDeployment {
  const { rest, ...deploymentConfiguration } = deployment.deploymentConfiguration;
  const { rollback } = deployment;
  const summary = (arn: string): WireRevisionSummary =>
    renderRevisionSummary(arn, counts.get(arn) ?? { requested: 0, running: 0, pending: 0 });
  return {
    ...present({
      serviceDeploymentArn: deployment.serviceDeploymentArn,
      serviceArn: deployment.serviceArn,
      clusterArn: clusterArn(realm, deployment.clusterName),
      createdAt: seconds(deployment.createdAt),
      startedAt: optionalSeconds(deployment.startedAt),
      finishedAt: optionalSeconds(deployment.finishedAt),
      stoppedAt: optionalSeconds(deployment.stoppedAt),
      updatedAt: seconds(deployment.updatedAt),
      sourceServiceRevisions: deployment.sourceRevisionArns.map(summary),
      targetServiceRevision: summary(deployment.targetRevisionArn),
      status: deployment.status,
      statusReason: deployment.statusReason,
      rollback: rollback && {
        reason: rollback.reason,
        startedAt: seconds(rollback.startedAt),
        serviceRevisionArn: rollback.serviceRevisionArn,
      },
      deploymentCircuitBreaker: deployment.circuitBreaker,
    }),
    deploymentConfiguration: { ...rest, ...deploymentConfiguration },
  };
}

export function renderServiceDeploymentBrief(
  deployment: ServiceDeployment,
  realm: Realm,
): Wire<SdkServiceDeploymentBrief> {
  return present({
    serviceDeploymentArn: deployment.serviceDeploymentArn,
    serviceArn: deployment.serviceArn,
    clusterArn: clusterArn(realm, deployment.clusterName),
    startedAt: optionalSeconds(deployment.startedAt),
    createdAt: seconds(deployment.createdAt),
    finishedAt: optionalSeconds(deployment.finishedAt),
    targetServiceRevisionArn: deployment.targetRevisionArn,
    status: deployment.status,
    statusReason: deployment.statusReason,
  });
}

/** Returned as the service had them; not looked into here. */
const keptByRevision = [
  'platformVersion',
  'loadBalancers',
  'serviceRegistries',
  'serviceConnectConfiguration',
  'volumeConfigurations',
  'vpcLatticeConfigurations',
  'gatewayConnectors',
  'monitoring',
] as const;

export type WireServiceRevision = Wire<Omit<SdkServiceRevision, (typeof keptByRevision)[number]>> &
  Readonly<Record<string, unknown>>;

export function renderServiceRevision(revision: ServiceRevision, realm: Realm): WireServiceRevision {
  const fargate = revision.launchType === 'FARGATE';
  const { capacityProviderStrategy } = revision;
  return {
    ...(fargate ? { platformVersion: fargatePlatformVersions[0] } : {}),
    ...chosen(revision.kept, keptByRevision),
    ...present({
      serviceRevisionArn: revision.serviceRevisionArn,
      serviceArn: revision.serviceArn,
      clusterArn: clusterArn(realm, revision.clusterName),
      taskDefinition: revision.taskDefinitionArn,
      launchType: capacityProviderStrategy === undefined ? revision.launchType : undefined,
      capacityProviderStrategy,
      platformFamily: fargate ? fargatePlatform.family : undefined,
      networkConfiguration: revision.networkConfiguration,
      containerImages: revision.containerImages,
      guardDutyEnabled: false,
      createdAt: seconds(revision.createdAt),
    }),
  };
}

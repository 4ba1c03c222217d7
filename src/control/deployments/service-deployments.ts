/**
 * What the history of a service says of one of its deployments: the row of its service deployment, and of its service revision. Both follow from the
 * service's own row, so that a row that is missing (an older version wrote none) is made good by the next write. A final status never changes.
 */
import type { Deployment } from '#model/deployment.ts';
import {
  isFinal,
  serviceDeploymentArn,
  serviceRevisionArn,
  type BreakerView,
  type ServiceDeployment,
  type ServiceDeploymentStatus,
  type ServiceRevision,
} from '#model/service-deployment.ts';
import { isSameValue } from '#model/same-value.ts';
import type { Service } from '#model/service.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import { breakerFailures, breakerThreshold } from './circuit-breaker.ts';
import { historyTexts } from './reasons.ts';

/** The row as it is to be now; `existing` itself when there is nothing to write. `deployment` may have left the service's list. */
export function serviceDeploymentOf(
  service: Service,
  deployment: Deployment,
  existing: ServiceDeployment | undefined,
  now: number,
): ServiceDeployment {
  if (existing !== undefined && isFinal(existing.status)) return existing;
  const { serviceArn, clusterName, serviceName, deploymentConfiguration } = service;
  const { id, createdAt, startedAt, stopRequest } = deployment;
  const { status, statusReason } = standingOf(service, deployment, existing?.status);
  const rollback = rollbackOf(service, deployment) ?? existing?.rollback;
  const ended = status === 'STOPPED' || (stopRequest !== undefined && !status.endsWith('_REQUESTED'));
  const stoppedAt = existing?.stoppedAt ?? (ended ? now : undefined);
  const row: ServiceDeployment = {
    serviceDeploymentArn: serviceDeploymentArn(serviceArn, id),
    serviceArn,
    clusterName,
    serviceName,
    deploymentId: id,
    status,
    ...(statusReason === undefined ? {} : { statusReason }),
    sourceRevisionArns: existing?.sourceRevisionArns ?? sourcesOf(service, id),
    targetRevisionArn: serviceRevisionArn(serviceArn, id),
    deploymentConfiguration,
    circuitBreaker: breakerView(service, deployment),
    ...(rollback === undefined ? {} : { rollback }),
    createdAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(isFinal(status) ? { finishedAt: now } : {}),
    ...(stoppedAt === undefined ? {} : { stoppedAt }),
    updatedAt: now,
  };
  return existing !== undefined && sameContent(existing, row) ? existing : row;
}

interface Standing {
  status: ServiceDeploymentStatus;
  statusReason?: string;
}

function standingOf(service: Service, deployment: Deployment, before: ServiceDeploymentStatus | undefined): Standing {
  const { id, rolloutState, rolloutStateReason, stopRequest, startedAt, completedAt } = deployment;
  const primary = service.deployments.find(({ status }) => status === 'PRIMARY');
  const statusReason = rolloutStateReason;
  // What completed once has its history behind it, whatever a way back makes of it later.
  if (rolloutState === 'COMPLETED' || completedAt !== undefined) return { status: 'SUCCESSFUL' };
  if (rolloutState === 'FAILED') {
    if (primary?.rollbackOf === id) return { status: rollbackStatus(primary), statusReason };
    const wasGoingBack = before === 'ROLLBACK_IN_PROGRESS';
    return { status: wasGoingBack ? 'ROLLBACK_FAILED' : 'STOPPED', statusReason };
  }
  if (service.status !== 'ACTIVE') return { status: 'STOPPED', statusReason: historyTexts.deleted };
  if (primary !== undefined && primary.id !== id) {
    return { status: 'STOPPED', statusReason: historyTexts.superseded(primary.id) };
  }
  if (stopRequest !== undefined) {
    return { status: stopRequest.type === 'ABORT' ? 'STOP_REQUESTED' : 'ROLLBACK_REQUESTED', statusReason };
  }
  return { status: startedAt === undefined ? 'PENDING' : 'IN_PROGRESS', statusReason };
}

function rollbackStatus({ rolloutState }: Deployment): ServiceDeploymentStatus {
  if (rolloutState === 'COMPLETED') return 'ROLLBACK_SUCCESSFUL';
  return rolloutState === 'FAILED' ? 'ROLLBACK_FAILED' : 'ROLLBACK_IN_PROGRESS';
}

function rollbackOf(service: Service, { id, rolloutStateReason }: Deployment): ServiceDeployment['rollback'] {
  const back = service.deployments.find((each) => each.status === 'PRIMARY' && each.rollbackOf === id);
  if (back?.rolledBackAt === undefined) return undefined;
  return {
    reason: rolloutStateReason,
    startedAt: back.rolledBackAt,
    serviceRevisionArn: serviceRevisionArn(service.serviceArn, back.id),
  };
}

/** What runs besides it when it begins. */
function sourcesOf({ serviceArn, deployments }: Service, id: string): string[] {
  return deployments
    .filter((other) => other.id !== id && other.rolloutState !== 'FAILED')
    .map((other) => serviceRevisionArn(serviceArn, other.id));
}

function breakerView({ desiredCount, deploymentConfiguration }: Service, deployment: Deployment): BreakerView {
  const breaker = deploymentConfiguration.deploymentCircuitBreaker;
  const view = {
    failureCount: breakerFailures(breaker, deployment),
    threshold: breakerThreshold(desiredCount, breaker?.thresholdConfiguration),
  };
  if (deployment.failedBy === 'breaker') return { status: 'TRIGGERED', ...view };
  if (breaker?.enable !== true) return { status: 'DISABLED', ...view };
  const watches = deployment.rolloutState === 'IN_PROGRESS' && deployment.status === 'PRIMARY';
  return { status: watches ? 'MONITORING' : 'MONITORING_COMPLETE', ...view };
}

function sameContent(a: ServiceDeployment, b: ServiceDeployment): boolean {
  return isSameValue({ ...a, updatedAt: 0 }, { ...b, updatedAt: 0 });
}

/** What a deployment of the service as it is now rolls out. */
export function serviceRevisionOf(
  service: Service,
  deployment: Deployment,
  definition: TaskDefinition | undefined,
): ServiceRevision {
  const { serviceArn, clusterName, serviceName, kept } = service;
  const { id, taskDefinitionArn, launchType, capacityProviderStrategy, networkConfiguration } = deployment;
  const { createdAt, pinnedImages } = deployment;
  const containers = definition?.body.containerDefinitions ?? [];
  return withDigests(
    {
      serviceRevisionArn: serviceRevisionArn(serviceArn, id),
      serviceArn,
      clusterName,
      serviceName,
      deploymentId: id,
      taskDefinitionArn,
      launchType,
      ...(capacityProviderStrategy === undefined ? {} : { capacityProviderStrategy }),
      ...(networkConfiguration === undefined ? {} : { networkConfiguration }),
      containerImages: containers.map(({ name, image }) => ({ containerName: name, image })),
      kept,
      createdAt,
    },
    pinnedImages,
  );
}

/** The same revision when it has the digests already. */
export function withDigests(revision: ServiceRevision, pinnedImages: Deployment['pinnedImages'] = {}): ServiceRevision {
  const isNews = revision.containerImages.some(
    ({ containerName, imageDigest }) => imageDigest === undefined && Object.hasOwn(pinnedImages, containerName),
  );
  if (!isNews) return revision;
  const containerImages = revision.containerImages.map((image) => {
    const imageDigest = image.imageDigest ?? pinnedImages[image.containerName];
    return imageDigest === undefined ? image : { ...image, imageDigest };
  });
  return { ...revision, containerImages };
}

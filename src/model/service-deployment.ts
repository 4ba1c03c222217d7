/**
 * The history of a service: a service deployment tells of one rollout from its request to its end, a service revision is the snapshot of what it
 * rolled out. Both mirror `Service.deployments` and are written in the transaction that changes it; nothing decides by them.
 */
import type { NetworkConfiguration } from './placement.ts';
import type { DeploymentConfiguration, Service } from './service.ts';

export const serviceDeploymentStatuses = [
  'PENDING',
  'SUCCESSFUL',
  'STOPPED',
  'STOP_REQUESTED',
  'IN_PROGRESS',
  'ROLLBACK_REQUESTED',
  'ROLLBACK_IN_PROGRESS',
  'ROLLBACK_SUCCESSFUL',
  'ROLLBACK_FAILED',
] as const;
export type ServiceDeploymentStatus = (typeof serviceDeploymentStatuses)[number];

const finalStatuses: readonly ServiceDeploymentStatus[] = [
  'SUCCESSFUL',
  'STOPPED',
  'ROLLBACK_SUCCESSFUL',
  'ROLLBACK_FAILED',
];

/** Whether the status is the last one; what has it never changes again. */
export function isFinal(status: ServiceDeploymentStatus): boolean {
  return finalStatuses.includes(status);
}

/** The circuit breaker as its rollout saw it last. */
export interface BreakerView {
  status: 'TRIGGERED' | 'MONITORING' | 'MONITORING_COMPLETE' | 'DISABLED';
  failureCount: number;
  threshold: number;
}

/** Times are epoch milliseconds. */
export interface ServiceDeployment {
  serviceDeploymentArn: string;
  serviceArn: string;
  clusterName: string;
  serviceName: string;
  /** `ecs-svc/…` of the deployment that it mirrors. */
  deploymentId: string;
  status: ServiceDeploymentStatus;
  statusReason?: string;
  /** Revisions whose tasks it replaces. */
  sourceRevisionArns: readonly string[];
  targetRevisionArn: string;
  deploymentConfiguration: DeploymentConfiguration;
  circuitBreaker: BreakerView;
  rollback?: { reason: string; startedAt: number; serviceRevisionArn: string };
  createdAt: number;
  startedAt?: number;
  finishedAt?: number;
  /** When a user's stop, or a newer deployment, took effect. */
  stoppedAt?: number;
  updatedAt: number;
}

export interface RevisionImage {
  containerName: string;
  image: string;
  /** Once a task of the revision has told. */
  imageDigest?: string;
}

/** Immutable but for the digests, which its first tasks find out. */
export interface ServiceRevision {
  serviceRevisionArn: string;
  serviceArn: string;
  clusterName: string;
  serviceName: string;
  /** `ecs-svc/…` of the deployment that it was made for. */
  deploymentId: string;
  taskDefinitionArn: string;
  launchType: Service['launchType'];
  capacityProviderStrategy?: NonNullable<Service['capacityProviderStrategy']>;
  networkConfiguration?: NetworkConfiguration;
  containerImages: readonly RevisionImage[];
  /** Of the service, as it was then; see `Service.kept`. */
  kept: Service['kept'];
  createdAt: number;
}

/** The number that a deployment, its service deployment and its service revision share: 19 digits. */
export function deploymentNumber(deploymentId: string): string {
  return deploymentId.slice(deploymentId.lastIndexOf('/') + 1);
}

export function serviceDeploymentArn(serviceArn: string, deploymentId: string): string {
  return `${serviceArn.replace(':service/', ':service-deployment/')}/${deploymentNumber(deploymentId)}`;
}

export function serviceRevisionArn(serviceArn: string, deploymentId: string): string {
  return `${serviceArn.replace(':service/', ':service-revision/')}/${deploymentNumber(deploymentId)}`;
}

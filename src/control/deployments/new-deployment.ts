/** Starting a deployment, or going back to one: it is PRIMARY, the one before becomes ACTIVE at once and is drained; nothing queues. */
import type { Random } from '#lib/random.ts';
import { freshProgress, type Deployment } from '#model/deployment.ts';
import type { Service } from '#model/service.ts';
import { inProgressReason, rollbackReason } from './reasons.ts';

/**
 * Fields of UpdateService that start a deployment when they change (`forceNewDeployment` does without a change); all others only change
 * what the scheduler does next.
 */
export const deploymentStartingFields = [
  'taskDefinition',
  'networkConfiguration',
  'platformVersion',
  'loadBalancers',
  'serviceRegistries',
  'serviceConnectConfiguration',
  'volumeConfigurations',
  'vpcLatticeConfigurations',
] as const;

export type DeploymentTarget = Pick<
  Service,
  'taskDefinitionArn' | 'desiredCount' | 'launchType' | 'capacityProviderStrategy' | 'networkConfiguration'
>;

export interface NewDeploymentOptions {
  /** Epoch milliseconds. */
  now: number;
  random: Random;
}

/** A PRIMARY deployment that has done nothing yet. */
export function newDeployment(target: DeploymentTarget, options: NewDeploymentOptions): Deployment {
  const id = newDeploymentId(options.random);
  const { capacityProviderStrategy, networkConfiguration } = target;
  return {
    id,
    status: 'PRIMARY',
    taskDefinitionArn: target.taskDefinitionArn,
    desiredCount: target.desiredCount,
    launchType: target.launchType,
    ...(capacityProviderStrategy === undefined ? {} : { capacityProviderStrategy }),
    ...(networkConfiguration === undefined ? {} : { networkConfiguration }),
    rolloutState: 'IN_PROGRESS',
    rolloutStateReason: inProgressReason(id),
    failedTasks: 0,
    progress: freshProgress,
    createdAt: options.now,
    updatedAt: options.now,
  };
}

/** The service rolling to what it now says: call it after the service's own fields have been changed. */
export function withNewDeployment(service: Service, options: NewDeploymentOptions): Service {
  const before = service.deployments.map((deployment) => demoted(deployment, options.now));
  return { ...service, deployments: [newDeployment(service, options), ...before] };
}

export interface Rollback {
  failedDeploymentId: string;
  /** Of a deployment in the list that completed once. */
  targetId: string;
  /** Epoch milliseconds. */
  now: number;
}

/**
 * The service going back: the target is PRIMARY again under its own id, so that the tasks it still has are its own and stay untouched; it counts
 * anew. The same service when the target is not in the list.
 */
export function withRollback(service: Service, { failedDeploymentId, targetId, now }: Rollback): Service {
  const target = service.deployments.find(({ id }) => id === targetId);
  if (target === undefined) return service;
  const { waiting: _waiting, launchesHeldUntil: _held, stopRequest: _stop, ...rest } = target;
  const { networkConfiguration: _network, capacityProviderStrategy: _strategy, ...settings } = service;
  const { taskDefinitionArn, launchType, networkConfiguration, capacityProviderStrategy } = target;
  const back: Deployment = {
    ...rest,
    status: 'PRIMARY',
    desiredCount: service.desiredCount,
    rolloutState: 'IN_PROGRESS',
    rolloutStateReason: rollbackReason(targetId, failedDeploymentId),
    failedTasks: 0,
    progress: { ...freshProgress, probation: target.progress?.probation ?? [] },
    rollbackOf: failedDeploymentId,
    rolledBackAt: now,
    completedAt: target.completedAt ?? target.updatedAt,
    updatedAt: now,
  };
  const others = service.deployments.filter(({ id }) => id !== targetId).map((each) => demoted(each, now));
  return {
    ...settings,
    taskDefinitionArn,
    launchType,
    ...(capacityProviderStrategy === undefined ? {} : { capacityProviderStrategy }),
    ...(networkConfiguration === undefined ? {} : { networkConfiguration }),
    deployments: [back, ...others],
  };
}

function demoted(deployment: Deployment, now: number): Deployment {
  return deployment.status === 'PRIMARY' ? { ...deployment, status: 'ACTIVE', updatedAt: now } : deployment;
}

/** `ecs-svc/` and 19 digits, as ECS has them. */
function newDeploymentId(random: Random): string {
  let digits = String(1 + Math.floor(random.next() * 9));
  while (digits.length < 19) digits += String(Math.floor(random.next() * 10));
  return `ecs-svc/${digits}`;
}

/** Starting a deployment: the new one is PRIMARY, the one before becomes ACTIVE at once and is drained; nothing queues. */
import type { Random } from '#lib/random.ts';
import { freshProgress, type Deployment } from '#model/deployment.ts';
import type { Service } from '#model/service.ts';
import { inProgressReason } from './reasons.ts';

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
  /** The failed deployment that this one takes back. */
  rollbackOf?: string;
  /** Of the deployment it returns to. */
  pinnedImages?: Deployment['pinnedImages'];
  /** Instead of "ECS deployment … in progress." */
  reason?: string;
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
    rolloutStateReason: options.reason ?? inProgressReason(id),
    failedTasks: 0,
    progress: freshProgress,
    ...(options.pinnedImages === undefined ? {} : { pinnedImages: options.pinnedImages }),
    ...(options.rollbackOf === undefined ? {} : { rollbackOf: options.rollbackOf }),
    createdAt: options.now,
    updatedAt: options.now,
  };
}

/** The service rolling to what it now says: call it after the service's own fields have been changed. */
export function withNewDeployment(service: Service, options: NewDeploymentOptions): Service {
  const demoted = service.deployments.map((deployment): Deployment => {
    if (deployment.status !== 'PRIMARY') return deployment;
    return { ...deployment, status: 'ACTIVE', updatedAt: options.now };
  });
  return { ...service, deployments: [newDeployment(service, options), ...demoted] };
}

/** `ecs-svc/` and 19 digits, as ECS has them. */
function newDeploymentId(random: Random): string {
  let digits = String(1 + Math.floor(random.next() * 9));
  while (digits.length < 19) digits += String(Math.floor(random.next() * 10));
  return `ecs-svc/${digits}`;
}

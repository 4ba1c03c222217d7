/**
 * What the deployment controller EXTERNAL makes of CreateService and UpdateService: what tasks are made of is said by task sets, so the service
 * itself takes only how many there are, where they go and how they are marked.
 */
import type { Service } from '#model/service.ts';
import { invalidParameter } from '#protocol/ecs/errors.ts';
import type { InputOf } from '#protocol/ecs/operations.ts';
import { checkServiceSettings, withSettings } from './service-settings.ts';

type CreateInput = InputOf<'CreateService'>;
type UpdateInput = InputOf<'UpdateService'>;

/** Told by each task set. */
const taskSetFields = [
  'taskDefinition',
  'launchType',
  'capacityProviderStrategy',
  'platformVersion',
  'networkConfiguration',
  'loadBalancers',
  'serviceRegistries',
  'serviceConnectConfiguration',
  'volumeConfigurations',
  'vpcLatticeConfigurations',
] as const;

/** ECS's list for UpdateService. */
const updatableFields = [
  'cluster',
  'service',
  'deploymentController',
  'desiredCount',
  'healthCheckGracePeriodSeconds',
  'placementConstraints',
  'placementStrategy',
  'enableECSManagedTags',
  'propagateTags',
];

/** Throws InvalidParameterException for what a service with task sets cannot have. */
export function checkExternalService(input: CreateInput): void {
  const misplaced = taskSetFields.find((field) => Object.hasOwn(input, field));
  if (misplaced !== undefined) {
    throw invalidParameter(
      `${misplaced}: cannot be specified for a service with an EXTERNAL deployment controller. Specify it in CreateTaskSet.`,
    );
  }
  if (input.schedulingStrategy === 'DAEMON') {
    throw invalidParameter('The EXTERNAL deployment controller does not support the DAEMON scheduling strategy.');
  }
  if (input.deploymentConfiguration?.deploymentCircuitBreaker?.enable === true) {
    throw invalidParameter('The deployment circuit breaker can only be used with the ECS deployment controller.');
  }
}

/** `blank` with the settings of the request; a service without desiredCount begins with none, as only its name is required. */
export function externalService(blank: Service, input: CreateInput): Service {
  return { ...withSettings(blank, input, undefined), deploymentController: 'EXTERNAL' };
}

/** Throws InvalidParameterException for what ECS does not let UpdateService change here. */
export function updatedExternalService(before: Service, input: UpdateInput): Service {
  checkServiceSettings(input, before.schedulingStrategy);
  const refused = Object.keys(input).find((field) => !updatableFields.includes(field));
  if (refused !== undefined) {
    throw invalidParameter(
      `Unable to update ${refused} on services with an EXTERNAL deployment controller. Create a new task set.`,
    );
  }
  return withSettings(before, input, undefined);
}

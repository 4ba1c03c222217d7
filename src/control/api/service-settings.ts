/**
 * The settings of a service that CreateService and UpdateService share: what they may be, and what they become in the row. A setting of a
 * feature that is not built yet is refused by name; empty lists and switched-off features are kept and given back.
 */
import type { DeploymentConfiguration, SchedulingStrategy, Service } from '#model/service.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import { problemOfZoneRebalancing } from '#model/zone-rebalancing.ts';
import { invalidParameter, unsupportedFeature } from '#protocol/ecs/errors.ts';
import type { InputOf } from '#protocol/ecs/operations.ts';
import { checkNetwork, checkPlacement, checkPlatform } from './launch-checks.ts';

type Settings = InputOf<'CreateService'> | InputOf<'UpdateService'>;

/** Returned as they were sent; nothing acts on them. */
const keptFields = [
  'role',
  'platformVersion',
  'loadBalancers',
  'serviceRegistries',
  'serviceConnectConfiguration',
  'volumeConfigurations',
  'vpcLatticeConfigurations',
  'gatewayConnectors',
  'monitoring',
] as const;

const initialPercents: Record<SchedulingStrategy, { minimumHealthyPercent: number; maximumPercent: number }> = {
  REPLICA: { minimumHealthyPercent: 100, maximumPercent: 200 },
  DAEMON: { minimumHealthyPercent: 0, maximumPercent: 100 },
};

export function initialDeploymentConfiguration(strategy: SchedulingStrategy): DeploymentConfiguration {
  return { ...initialPercents[strategy] };
}

/** Throws for settings that nothing here carries out, and for those that contradict each other. */
export function checkServiceSettings(input: Settings, strategy: SchedulingStrategy): void {
  refuseUnbuilt(input);
  checkPlacement(input.placementConstraints ?? [], input.placementStrategy ?? []);
  if (strategy === 'DAEMON') checkDaemon(input);
  const { minimumHealthyPercent, maximumPercent } = input.deploymentConfiguration ?? {};
  if (maximumPercent === 0 || (minimumHealthyPercent ?? 0) > (maximumPercent ?? Number.POSITIVE_INFINITY)) {
    throw invalidParameter(
      'deploymentConfiguration: expected 0 <= minimumHealthyPercent <= maximumPercent and 0 < maximumPercent.',
    );
  }
  if (input.deploymentConfiguration?.deploymentCircuitBreaker?.thresholdConfiguration?.value === 0) {
    throw invalidParameter(
      'deploymentConfiguration.deploymentCircuitBreaker.thresholdConfiguration.value: expected at least 1, got 0.',
    );
  }
  if (strategy === 'REPLICA' && (maximumPercent ?? 100) < 100) {
    throw invalidParameter(`deploymentConfiguration.maximumPercent: expected at least 100, got ${maximumPercent}.`);
  }
}

function checkDaemon(input: Settings): void {
  const { desiredCount, placementStrategy = [], deploymentConfiguration } = input;
  if (desiredCount !== undefined && desiredCount !== 0) {
    throw invalidParameter(
      'The daemon scheduling strategy does not support a desired count for services. Remove it and try again.',
    );
  }
  if (placementStrategy.length > 0) {
    throw invalidParameter('The daemon scheduling strategy does not support placement strategies.');
  }
  if ((deploymentConfiguration?.maximumPercent ?? 100) !== 100) {
    throw invalidParameter(
      'The daemon scheduling strategy does not support values above 100 for maximumPercent on a service.',
    );
  }
}

function refuseUnbuilt(input: Settings): void {
  const unbuilt = Object.entries({
    'Load balancers (loadBalancers)': isFilled(input.loadBalancers),
    'Service registries (serviceRegistries)': isFilled(input.serviceRegistries),
    'Service Connect (serviceConnectConfiguration)': input.serviceConnectConfiguration?.enabled === true,
    'Volumes of a service (volumeConfigurations)': isFilled(input.volumeConfigurations),
    'VPC Lattice (vpcLatticeConfigurations)': isFilled(input.vpcLatticeConfigurations),
    'Gateway connectors (gatewayConnectors)': isFilled(input.gatewayConnectors),
    'Service metrics (monitoring)': isFilled(input.monitoring?.metricConfigurations),
    'The deployment controller CODE_DEPLOY': input.deploymentController?.type === 'CODE_DEPLOY',
    ...unbuiltDeployments(input.deploymentConfiguration ?? {}),
  }).find(([, asked]) => asked);
  if (unbuilt !== undefined) throw unsupportedFeature(`Not supported yet: ${unbuilt[0]}.`);
}

function unbuiltDeployments(configuration: NonNullable<Settings['deploymentConfiguration']>): Record<string, boolean> {
  const { strategy = 'ROLLING', alarms, lifecycleHooks, earlySuccessCriteria } = configuration;
  return {
    'Deployment strategies other than ROLLING': strategy !== 'ROLLING',
    'Deployment alarms (alarms)': alarms?.enable === true,
    'Lifecycle hooks (lifecycleHooks)': isFilled(lifecycleHooks),
    'Early success (earlySuccessCriteria)': earlySuccessCriteria?.enable === true,
  };
}

function isFilled(list: readonly unknown[] | undefined): boolean {
  return list !== undefined && list.length > 0;
}

/**
 * The service with what the request says; what it does not say stays. The definition is the one the service will have then; undefined when its
 * task sets have their own.
 */
export function withSettings(service: Service, input: Settings, definition: TaskDefinition | undefined): Service {
  const networkConfiguration = input.networkConfiguration ?? service.networkConfiguration;
  if (definition !== undefined) checkNetwork(definition, networkConfiguration);
  checkPlatform(service.launchType, input.platformVersion);
  const grace = input.healthCheckGracePeriodSeconds ?? service.healthCheckGracePeriodSeconds;
  return withZoneRebalancing(input.availabilityZoneRebalancing, {
    ...service,
    taskDefinitionArn: definition?.taskDefinitionArn ?? service.taskDefinitionArn,
    desiredCount: input.desiredCount ?? service.desiredCount,
    deploymentConfiguration: withDeploymentSettings(
      service.deploymentConfiguration,
      input.deploymentConfiguration ?? {},
    ),
    placementConstraints: input.placementConstraints ?? service.placementConstraints,
    placementStrategy: input.placementStrategy ?? service.placementStrategy,
    ...(networkConfiguration === undefined ? {} : { networkConfiguration }),
    ...(grace === undefined ? {} : { healthCheckGracePeriodSeconds: grace }),
    enableExecuteCommand: input.enableExecuteCommand ?? service.enableExecuteCommand,
    enableECSManagedTags: input.enableECSManagedTags ?? service.enableECSManagedTags,
    propagateTags: input.propagateTags ?? service.propagateTags,
    kept: { ...service.kept, ...keptSettings(input) },
  });
}

/** Asked for by name it has to be possible; where nothing is said it ends with a setting that it does not go with. */
function withZoneRebalancing(asked: Service['availabilityZoneRebalancing'] | undefined, service: Service): Service {
  const availabilityZoneRebalancing = asked ?? service.availabilityZoneRebalancing;
  if (availabilityZoneRebalancing === 'DISABLED') return { ...service, availabilityZoneRebalancing };
  const problem = problemOfZoneRebalancing(service);
  if (problem === undefined) return { ...service, availabilityZoneRebalancing };
  if (asked === 'ENABLED') {
    throw invalidParameter(`availabilityZoneRebalancing: ENABLED does not go with ${problem}.`);
  }
  return { ...service, availabilityZoneRebalancing: 'DISABLED' };
}

function withDeploymentSettings(
  before: DeploymentConfiguration,
  {
    minimumHealthyPercent,
    maximumPercent,
    deploymentCircuitBreaker,
    ...rest
  }: NonNullable<Settings['deploymentConfiguration']>,
): DeploymentConfiguration {
  const breaker = deploymentCircuitBreaker ?? before.deploymentCircuitBreaker;
  const kept = { ...before.rest, ...rest };
  return {
    minimumHealthyPercent: minimumHealthyPercent ?? before.minimumHealthyPercent,
    maximumPercent: maximumPercent ?? before.maximumPercent,
    ...(breaker === undefined ? {} : { deploymentCircuitBreaker: breaker }),
    ...(Object.keys(kept).length === 0 ? {} : { rest: kept }),
  };
}

function keptSettings(input: Settings): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).filter(([name]) => keptFields.some((field) => field === name)));
}

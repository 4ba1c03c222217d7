/**
 * What RunTask, StartTask, CreateService and UpdateService check in the same way before anything is placed. A wish that nothing here
 * carries out yet is refused by name, never dropped.
 */
import type { Realm } from '#model/arn.ts';
import { fargatePlatformVersions } from '#model/fargate.ts';
import type { NetworkConfiguration, PlacementConstraint, PlacementStrategy } from '#model/placement.ts';
import { parseTaskCpu, parseTaskMemory, type TaskDefinition } from '#model/task-definition.ts';
import type { Task, TaskOverride } from '#model/task.ts';
import {
  clientException,
  invalidParameter,
  platformUnknown,
  taskDefinitionInactive,
  taskDefinitionToRunNotFound,
  unsupportedFeature,
} from '#protocol/ecs/errors.ts';
import { parseQuery } from '../scheduler/query-parser.ts';
import type { StoreTransaction } from '../store/store.ts';
import type { CapacityChoice } from './capacity-checks.ts';
import { findDefinition } from './lookups.ts';

/** Throws ClientException when there is no such revision or it is not ACTIVE. */
export async function definitionToRun(tx: StoreTransaction, realm: Realm, reference: string): Promise<TaskDefinition> {
  const definition = await findDefinition(tx, realm, reference);
  if (definition === undefined) throw taskDefinitionToRunNotFound();
  if (definition.status !== 'ACTIVE') throw taskDefinitionInactive();
  return definition;
}

/** EC2 when nothing is said, as for ECS. What a capacity provider strategy comes to is in capacity-checks.ts. */
export function chosenLaunchType(
  { launchType = 'EC2' }: Pick<CapacityChoice, 'launchType'>,
  definition: TaskDefinition,
): Task['launchType'] {
  if (launchType === 'MANAGED_INSTANCES')
    throw unsupportedFeature('The launch type MANAGED_INSTANCES is not supported.');
  if (!definition.compatibilities.includes(launchType)) {
    throw invalidParameter(`Task definition does not support launch_type ${launchType}.`);
  }
  return launchType;
}

/** Texts and rule are ECS's: the configuration comes with network mode `awsvpc` and only with it. */
export function checkNetwork(definition: TaskDefinition, configuration: NetworkConfiguration | undefined): void {
  const given = configuration?.awsvpcConfiguration !== undefined;
  if (definition.body.networkMode === 'awsvpc' && !given) {
    throw invalidParameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.");
  }
  if (definition.body.networkMode !== 'awsvpc' && given) {
    throw invalidParameter('Network Configuration is not valid for the given networkMode of this task definition.');
  }
}

/** Only FARGATE has platforms. */
export function checkPlatform(launchType: Task['launchType'], platformVersion: string | undefined): void {
  if (platformVersion === undefined) return;
  if (launchType !== 'FARGATE') {
    throw invalidParameter(`The platform version must be null when specifying an ${launchType} launch type.`);
  }
  if (!fargatePlatformVersions.includes(platformVersion)) throw platformUnknown(platformVersion);
}

export function checkPlacement(
  constraints: readonly PlacementConstraint[],
  strategies: readonly PlacementStrategy[],
): void {
  for (const { type, expression } of constraints) {
    if (type === undefined) throw invalidParameter('Placement constraint: type is required.');
    if (type === 'distinctInstance' && expression !== undefined && expression !== '') {
      throw invalidParameter('Placement constraint: distinctInstance takes no expression.');
    }
    if (type === 'memberOf') checkExpression(expression ?? '');
  }
  for (const { type, field = '' } of strategies) {
    if (type === undefined) throw invalidParameter('Placement strategy: type is required.');
    if (type === 'binpack' && !/^(cpu|memory)$/i.test(field)) {
      throw invalidParameter(`Placement strategy: binpack takes field cpu or memory, not '${field}'.`);
    }
    if (type === 'spread' && !/^(instanceId|host|attribute:.+)$/.test(field)) {
      throw invalidParameter(
        `Placement strategy: spread takes field instanceId, host or attribute:<name>, not '${field}'.`,
      );
    }
  }
}

/** Throws InvalidParameterException unless it is an expression of the cluster query language. */
export function checkExpression(expression: string): void {
  const parsed = parseQuery(expression);
  if (!parsed.ok) {
    throw invalidParameter(`Invalid placement expression at character ${parsed.position}: ${parsed.message}.`);
  }
}

export function checkOverrides(definition: TaskDefinition, overrides: TaskOverride): void {
  const names = new Set(definition.body.containerDefinitions.map((container) => container.name));
  for (const { name = '' } of overrides.containerOverrides ?? []) {
    if (!names.has(name)) {
      throw invalidParameter(`Override for container named ${name} is not a container in the TaskDefinition.`);
    }
  }
  if (overrides.cpu !== undefined && parseTaskCpu(overrides.cpu) === undefined) {
    throw clientException(`Invalid 'cpu' setting for task: '${overrides.cpu}'.`);
  }
  if (overrides.memory !== undefined && parseTaskMemory(overrides.memory) === undefined) {
    throw clientException(`Invalid 'memory' setting for task: '${overrides.memory}'.`);
  }
  const unheard = (['executionRoleArn', 'inferenceAcceleratorOverrides', 'ephemeralStorage'] as const).find(
    (name) => overrides[name] !== undefined,
  );
  if (unheard !== undefined) throw unsupportedFeature(`The override ${unheard} is not supported yet.`);
}

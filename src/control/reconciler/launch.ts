/**
 * Placing and creating tasks, inside the caller's transaction: RunTask, StartTask and services all come through here. What is placed is
 * saved as PENDING with its instance; committing announces it, and the instance's session sends it out.
 */
import type { Clock } from '#lib/clock.ts';
import type { Ids } from '#lib/ids.ts';
import type { Random } from '#lib/random.ts';
import { containerArn, taskArn, type Realm } from '#model/arn.ts';
import type { Cluster } from '#model/cluster.ts';
import type { Deployment } from '#model/deployment.ts';
import { instanceAttributes, type ContainerInstance } from '#model/container-instance.ts';
import { attributeValue } from '#model/attributes.ts';
import type { Failure, NetworkConfiguration, PlacementConstraint, PlacementStrategy } from '#model/placement.ts';
import type { TaskResources } from '#model/resources.ts';
import type { Tag } from '#model/tag.ts';
import { attributesToRun } from '#model/task-definition-requirements.ts';
import { taskResources, type TaskDefinition } from '#model/task-definition.ts';
import { defaultEphemeralStorage } from '#model/fargate.ts';
import type { NetworkAttachment, Task, TaskContainer, TaskOverride } from '#model/task.ts';
import type { OccupyingTask, StoreTransaction } from '#control/store/store.ts';
import { pinnedDigestOf } from '../deployments/pinned-images.ts';
import { place, placeOnEach, type Placement, type PlacementRefusal, type PlacementResult } from '../scheduler/place.ts';
import type { PlacementRequest } from '../scheduler/placement-request.ts';
import { assignmentNumbers } from './assignment-number.ts';

export interface LaunchDeps {
  realm: Realm;
  clock: Clock;
  ids: Ids;
  random: Random;
}

export interface LaunchRequest {
  cluster: Cluster;
  definition: TaskDefinition;
  /** Ignored when `containerInstanceArns` says where. */
  count: number;
  /** `service:<name>`, `family:<family>` or what the caller said. */
  group: string;
  startedBy?: string;
  launchType: Task['launchType'];
  overrides: TaskOverride;
  placementConstraints: readonly PlacementConstraint[];
  placementStrategy: readonly PlacementStrategy[];
  /** One task on each of these (StartTask, daemons), no strategy asked. */
  containerInstanceArns?: readonly string[];
  tags: readonly Tag[];
  serviceName?: string;
  /** `ecs-svc/…`; present with `serviceName`. */
  deploymentId?: string;
  /** The deployment's. */
  pinnedImages?: Deployment['pinnedImages'];
  networkConfiguration?: NetworkConfiguration;
  enableExecuteCommand: boolean;
}

export interface LaunchOutcome {
  /** PENDING, saved, in the order of their placement. */
  tasks: Task[];
  /** As the API answers them: one per instance that refused, with its first reason. Empty when all were placed. */
  failures: Failure[];
  /** How many tasks found no place. */
  unplaced: number;
  /** The cluster has no instance that could be asked: RunTask answers InvalidParameterException then. */
  noInstances: boolean;
  /** Completes "(service web) was unable to place a task"; present when some found no place. */
  explanation?: string;
}

/** Places what it can; what it cannot is told in the outcome and leaves nothing behind. */
export async function launchTasks(
  tx: StoreTransaction,
  deps: LaunchDeps,
  request: LaunchRequest,
): Promise<LaunchOutcome> {
  const { wanted, instances, result, unknown } = await findPlaces(tx, deps, request);

  const numberOf = assignmentNumbers(tx);
  const byArn = new Map(instances.map((instance) => [instance.containerInstanceArn, instance]));
  const tasks: Task[] = [];
  for (const placement of result.placements) {
    const instance = byArn.get(placement.containerInstanceArn);
    if (instance === undefined) continue;
    const assignmentNumber = await numberOf(placement.containerInstanceArn);
    tasks.push(newTask(deps, request, { placement, instance, resources: wanted.resources, assignmentNumber }));
  }
  if (tasks.length > 0) await tx.tasks.putMany(tasks);
  return { tasks, ...unplacedPart(result.refused, unknown, request.definition) };
}

export interface PlaceSearch {
  wanted: PlacementRequest;
  /** Those that were asked. */
  instances: readonly ContainerInstance[];
  occupying: readonly OccupyingTask[];
  result: PlacementResult;
  /** Instances that the request names and the cluster has not. */
  unknown: readonly Failure[];
}

/** Where the tasks of a launch would go now. Writes nothing; also how one asks whether a launch would fit, and why not. */
export async function findPlaces(
  tx: StoreTransaction,
  { random }: Pick<LaunchDeps, 'random'>,
  request: LaunchRequest,
): Promise<PlaceSearch> {
  const { clusterName } = request.cluster;
  const all = await tx.containerInstances.list({ clusterName });
  const occupying = await tx.tasks.occupying(clusterName);
  const wanted = placementRequest(request);
  if (request.containerInstanceArns === undefined) {
    return { wanted, instances: all, occupying, result: place(wanted, all, occupying, random), unknown: [] };
  }
  const named = new Set(request.containerInstanceArns);
  const instances = all.filter((instance) => named.has(instance.containerInstanceArn));
  const known = new Set(instances.map(({ containerInstanceArn }) => containerInstanceArn));
  const unknown = [...named].filter((arn) => !known.has(arn)).map((arn): Failure => ({ arn, reason: 'MISSING' }));
  return { wanted, instances, occupying, result: placeOnEach(wanted, instances, occupying), unknown };
}

/** What placement is asked for a launch. */
export function placementRequest(request: LaunchRequest): PlacementRequest {
  const { definition, overrides, serviceName } = request;
  return {
    count: request.count,
    group: request.group,
    ...(serviceName === undefined ? {} : { serviceName }),
    launchType: request.launchType,
    resources: taskResources(definition.body, overrides),
    requiredAttributes: attributesToRun(definition, request),
    constraints: [...(definition.body.placementConstraints ?? []), ...request.placementConstraints],
    strategy: request.placementStrategy,
  };
}

function unplacedPart(
  refused: PlacementRefusal | undefined,
  unknown: readonly Failure[],
  { taskDefinitionArn }: TaskDefinition,
): Omit<LaunchOutcome, 'tasks'> {
  const explanation =
    refused?.explanation ?? (unknown.length > 0 ? `of ${taskDefinitionArn}: no such instance` : undefined);
  return {
    failures: [...unknown, ...(refused?.failures ?? [])],
    unplaced: (refused?.count ?? 0) + unknown.length,
    noInstances: refused?.noInstances ?? false,
    ...(explanation === undefined ? {} : { explanation }),
  };
}

interface Spot {
  placement: Placement;
  instance: ContainerInstance;
  resources: TaskResources;
  assignmentNumber: number;
}

function newTask({ realm, clock, ids }: LaunchDeps, request: LaunchRequest, spot: Spot): Task {
  const { cluster, definition, serviceName, deploymentId, startedBy, networkConfiguration } = request;
  const id = ids.hex(32);
  const availabilityZone = attributeValue(instanceAttributes(spot.instance), 'ecs.availability-zone');
  return {
    taskArn: taskArn(realm, cluster.clusterName, id),
    clusterName: cluster.clusterName,
    taskDefinitionArn: definition.taskDefinitionArn,
    family: definition.family,
    revision: definition.revision,
    containerInstanceArn: spot.placement.containerInstanceArn,
    ...(serviceName === undefined ? {} : { serviceName }),
    ...(deploymentId === undefined ? {} : { deploymentId }),
    group: request.group,
    ...(startedBy === undefined ? {} : { startedBy }),
    launchType: request.launchType,
    ...(availabilityZone === undefined ? {} : { availabilityZone }),
    desiredStatus: 'RUNNING',
    lastStatus: 'PENDING',
    healthStatus: 'UNKNOWN',
    connectivity: spot.instance.agentConnected ? 'CONNECTED' : 'DISCONNECTED',
    connectivityAt: clock.now(),
    cpu: String(spot.resources.cpu),
    memory: String(spot.resources.memoryMiB),
    resources: spot.resources,
    gpuIds: spot.placement.gpuIds,
    containers: newContainers({ realm, ids }, request, id),
    overrides: request.overrides,
    ...(networkConfiguration === undefined ? {} : { networkConfiguration }),
    ...networkAttachmentOf(ids, request),
    ...ephemeralStorageOf(request),
    enableExecuteCommand: request.enableExecuteCommand,
    tags: request.tags,
    createdAt: clock.now(),
    version: 1,
    assignmentNumber: spot.assignmentNumber,
    stateChangeNumber: 0,
  };
}

function networkAttachmentOf(
  ids: Ids,
  { definition, networkConfiguration }: LaunchRequest,
): { networkAttachment?: NetworkAttachment } {
  if (definition.body.networkMode !== 'awsvpc') return {};
  const subnetId = networkConfiguration?.awsvpcConfiguration?.subnets[0] ?? '';
  return { networkAttachment: { id: ids.uuid(), networkInterfaceId: `eni-${ids.hex(17)}`, subnetId } };
}

function ephemeralStorageOf({ definition, launchType, overrides }: LaunchRequest): Pick<Task, 'ephemeralStorage'> {
  const told = overrides.ephemeralStorage ?? definition.body.ephemeralStorage;
  const ephemeralStorage = told ?? (launchType === 'FARGATE' ? defaultEphemeralStorage : undefined);
  return ephemeralStorage === undefined ? {} : { ephemeralStorage };
}

function newContainers(
  { realm, ids }: Pick<LaunchDeps, 'realm' | 'ids'>,
  { cluster, definition, overrides, pinnedImages }: LaunchRequest,
  taskId: string,
): TaskContainer[] {
  return definition.body.containerDefinitions.map((container) => {
    const override = overrides.containerOverrides?.find(({ name }) => name === container.name);
    const memory = override?.memory ?? container.memory;
    const pinnedDigest = pinnedDigestOf(container, pinnedImages);
    const memoryReservation = override?.memoryReservation ?? container.memoryReservation;
    return {
      containerArn: containerArn(realm, cluster.clusterName, taskId, ids.uuid()),
      name: container.name,
      image: container.image,
      ...(pinnedDigest === undefined ? {} : { pinnedDigest }),
      lastStatus: 'PENDING',
      healthStatus: 'UNKNOWN',
      networkBindings: [],
      cpu: String(override?.cpu ?? container.cpu ?? 0),
      ...(memory === undefined ? {} : { memory: String(memory) }),
      ...(memoryReservation === undefined ? {} : { memoryReservation: String(memoryReservation) }),
    };
  });
}

/**
 * Placing and creating tasks, inside the caller's transaction: RunTask, StartTask and services all come through here. What is placed is
 * saved as PENDING with its instance; committing announces it, and the instance's session sends it out. What finds no place and may wait
 * for one is saved as PROVISIONING, for provisioning.ts to place.
 */
import type { Clock } from '#lib/clock.ts';
import type { Ids } from '#lib/ids.ts';
import type { Random } from '#lib/random.ts';
import { capacityProviderArn, containerArn, parseArn, taskArn, type Realm } from '#model/arn.ts';
import type { CapacityStrategy } from '#model/capacity-provider.ts';
import type { Cluster } from '#model/cluster.ts';
import type { Deployment } from '#model/deployment.ts';
import { instanceAttributes, type ContainerInstance } from '#model/container-instance.ts';
import { attributeValue } from '#model/attributes.ts';
import { defaultWaitMs, stillWaiting } from '#model/placement-wait.ts';
import type { Failure, NetworkConfiguration, PlacementConstraint, PlacementStrategy } from '#model/placement.ts';
import type { Tag } from '#model/tag.ts';
import { attributesToRun } from '#model/task-definition-requirements.ts';
import { taskResources, type TaskDefinition } from '#model/task-definition.ts';
import { defaultEphemeralStorage } from '#model/fargate.ts';
import type { NetworkAttachment, Task, TaskContainer, TaskOverride } from '#model/task.ts';
import type { StoreTransaction } from '#control/store/store.ts';
import { pinnedDigestOf } from '../deployments/pinned-images.ts';
import { candidatesOn, occupied, type Candidate } from '../scheduler/candidate.ts';
import {
  occupantOf,
  placeAmong,
  placeOnEach,
  type Placement,
  type PlacementRefusal,
  type PlacementResult,
} from '../scheduler/place.ts';
import type { PlacementRequest } from '../scheduler/placement-request.ts';
import { takeAssignmentNumbers } from './assignment-number.ts';
import { capacityShares, type CapacityShare } from './capacity-shares.ts';

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
  /** Which capacity providers the tasks are shared out to; absent: any instance. */
  capacityProviderStrategy?: CapacityStrategy | undefined;
  /**
   * Present when tasks without a place may wait for one: for `forMs`, or for the usual time where it is absent and their capacity provider
   * lets them.
   */
  wait?: { forMs?: number | undefined };
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
  /** PENDING, saved, in the order of their placement; then those that wait, PROVISIONING. */
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

/** Places what it can; what it cannot is told in the outcome and leaves nothing behind, unless it may wait. */
export async function launchTasks(
  tx: StoreTransaction,
  deps: LaunchDeps,
  request: LaunchRequest,
): Promise<LaunchOutcome> {
  const { candidates, shares, unknown } = await findPlaces(tx, deps, request);

  const placements = shares.flatMap(({ result }) => result.placements);
  const chosenArns = new Set(placements.map(({ containerInstanceArn }) => containerInstanceArn));
  const byArn = new Map<string, ContainerInstance>();
  for (const { instance } of candidates) {
    if (chosenArns.has(instance.containerInstanceArn)) byArn.set(instance.containerInstanceArn, instance);
  }
  const numbers = await takeAssignmentNumbers(tx, [...byArn.values()]);
  const tasks: Task[] = [];
  for (const { capacityProviderName, result } of shares) {
    for (const placement of result.placements) {
      const instance = byArn.get(placement.containerInstanceArn);
      const assignmentNumber = numbers.get(placement.containerInstanceArn);
      if (instance === undefined || assignmentNumber === undefined) continue;
      const task = newTask(deps, request, capacityProviderName);
      tasks.push(onInstance(task, { placement, instance, assignmentNumber }, deps.clock.now()));
    }
  }
  const refusing: ShareSearch[] = [];
  for (const share of shares) {
    const waitMs = waitOf(request, share);
    if (waitMs === undefined) refusing.push(share);
    else tasks.push(...waitingTasks(deps, request, share, waitMs));
  }
  if (tasks.length > 0) await tx.tasks.putMany(tasks);
  return { tasks, ...unplacedPart(request, { shares: refusing, unknown }) };
}

/** How long what found no place may wait, in milliseconds; undefined when it may not. */
function waitOf({ wait }: LaunchRequest, { waits }: ShareSearch): number | undefined {
  return wait?.forMs ?? (wait !== undefined && waits ? defaultWaitMs : undefined);
}

/** What one capacity provider's instances take of a launch. */
export interface ShareSearch extends CapacityShare {
  /** Those that were asked. */
  candidates: readonly Candidate[];
  result: PlacementResult;
}

export interface PlaceSearch {
  wanted: PlacementRequest;
  /** Those of the cluster, asked or not. */
  candidates: readonly Candidate[];
  /** One for each capacity provider; one in all where no strategy shares the tasks out. */
  shares: readonly ShareSearch[];
  /** Instances that the request names and the cluster has not. */
  unknown: readonly Failure[];
}

/** Where the tasks of a launch would go now. Writes nothing; also how one asks whether a launch would fit, and why not. */
export async function findPlaces(
  tx: StoreTransaction,
  { random }: Pick<LaunchDeps, 'random'>,
  request: LaunchRequest,
): Promise<PlaceSearch> {
  const candidates = candidatesOn(await tx.containerInstances.occupied(request.cluster.clusterName));
  const instances = candidates.map(({ instance }) => instance);
  const wanted = placementRequest(request);
  if (request.containerInstanceArns === undefined) {
    const shares = await capacityShares(tx, { ...request, clusterName: request.cluster.clusterName }, instances);
    return { wanted, candidates, shares: placeShares(shares, wanted, candidates, random), unknown: [] };
  }
  const named = new Set(request.containerInstanceArns);
  const chosen = candidates.filter(({ instance }) => named.has(instance.containerInstanceArn));
  const known = new Set(chosen.map(({ instance }) => instance.containerInstanceArn));
  const unknown = [...named].filter((arn) => !known.has(arn)).map((arn): Failure => ({ arn, reason: 'MISSING' }));
  const share: ShareSearch = {
    count: named.size,
    instances: chosen.map(({ instance }) => instance),
    candidates: chosen,
    waits: false,
    result: placeOnEach(wanted, chosen),
  };
  return { wanted, candidates, shares: [share], unknown };
}

/** Each on its own instances; what finds no place with its provider does not go to another, as in ECS. */
function placeShares(
  shares: readonly CapacityShare[],
  wanted: PlacementRequest,
  all: readonly Candidate[],
  random: Random,
): ShareSearch[] {
  let left = all;
  return shares.map((share) => {
    const asked = share.instances.length === left.length ? left : among(left, share.instances);
    const result = placeAmong({ ...wanted, count: share.count }, asked, random);
    if (shares.length > 1) left = withPlacements(left, wanted, result.placements);
    return { ...share, candidates: asked, result };
  });
}

function among(candidates: readonly Candidate[], instances: readonly ContainerInstance[]): Candidate[] {
  const arns = new Set(instances.map(({ containerInstanceArn }) => containerInstanceArn));
  return candidates.filter(({ instance }) => arns.has(instance.containerInstanceArn));
}

/** What the next share finds: the tasks of the one before have taken their room. */
function withPlacements(
  candidates: readonly Candidate[],
  wanted: PlacementRequest,
  placements: readonly Placement[],
): Candidate[] {
  const byInstance = Map.groupBy(placements, ({ containerInstanceArn }) => containerInstanceArn);
  return candidates.map((candidate) => {
    const own = byInstance.get(candidate.instance.containerInstanceArn) ?? [];
    return own.reduce((taken, placement) => occupied(taken, occupantOf(wanted, placement)), candidate);
  });
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

const emptyProviderText = 'No Container Instances were found in your capacity provider.';

/** Completes "was unable to place a task"; a provider without instances is told apart from a cluster without. */
export function refusalText(refused: PlacementRefusal, capacityProviderName: string | undefined): string {
  if (!refused.noInstances || capacityProviderName === undefined) return refused.explanation;
  return `because no container instance met all of its requirements. Reason: ${emptyProviderText}`;
}

/** What the shares that refused come to, all together. */
export function unplacedPart(
  { cluster, definition }: Pick<LaunchRequest, 'cluster' | 'definition'>,
  { shares, unknown }: Pick<PlaceSearch, 'shares' | 'unknown'>,
): Omit<LaunchOutcome, 'tasks'> {
  const refusals = shares.flatMap(({ capacityProviderName, result: { refused } }) =>
    refused === undefined ? [] : { refused, capacityProviderName },
  );
  const [first] = refusals;
  const told = first === undefined ? undefined : refusalText(first.refused, first.capacityProviderName);
  const missing = unknown.length > 0 ? `of ${definition.taskDefinitionArn}: no such instance` : undefined;
  const explanation = told ?? missing;
  return {
    failures: [...unknown, ...refusals.flatMap((refusal) => failuresOf(cluster, refusal))],
    unplaced: refusals.reduce((sum, { refused }) => sum + refused.count, 0) + unknown.length,
    noInstances: refusals.some((refusal) => refusal.refused.noInstances && refusal.capacityProviderName === undefined),
    ...(explanation === undefined ? {} : { explanation }),
  };
}

function failuresOf(
  { clusterArn }: Cluster,
  { refused, capacityProviderName }: { refused: PlacementRefusal; capacityProviderName: string | undefined },
): Failure[] {
  const realm = parseArn(clusterArn);
  if (!refused.noInstances || capacityProviderName === undefined || realm === undefined) return refused.failures;
  const arn = capacityProviderArn(realm, capacityProviderName);
  return [{ arn, reason: 'EMPTY_CAPACITY', detail: emptyProviderText }];
}

interface Spot {
  placement: Placement;
  instance: ContainerInstance;
  assignmentNumber: number;
}

/** The task with its place, where it will stay: its instance's session sends it out. */
export function onInstance(task: Task, { placement, instance, assignmentNumber }: Spot, now: number): Task {
  const availabilityZone = attributeValue(instanceAttributes(instance), 'ecs.availability-zone');
  return {
    ...task,
    containerInstanceArn: placement.containerInstanceArn,
    ...(availabilityZone === undefined ? {} : { availabilityZone }),
    lastStatus: 'PENDING',
    connectivity: instance.agentConnected ? 'CONNECTED' : 'DISCONNECTED',
    connectivityAt: now,
    gpuIds: placement.gpuIds,
    assignmentNumber,
  };
}

function waitingTasks(
  deps: LaunchDeps,
  request: LaunchRequest,
  { capacityProviderName, result: { refused } }: ShareSearch,
  waitMs: number,
): Task[] {
  if (refused === undefined) return [];
  const { placementConstraints, placementStrategy } = request;
  const waiting = { until: deps.clock.now() + waitMs, placementConstraints, placementStrategy };
  const explanation = refusalText(refused, capacityProviderName);
  return Array.from({ length: refused.count }, () =>
    stillWaiting({ ...newTask(deps, request, capacityProviderName), waiting, version: 0 }, explanation),
  );
}

/** PROVISIONING, and nowhere yet. */
function newTask({ realm, clock, ids }: LaunchDeps, request: LaunchRequest, capacityProviderName?: string): Task {
  const { cluster, definition, serviceName, deploymentId, startedBy, networkConfiguration } = request;
  const id = ids.hex(32);
  const resources = taskResources(definition.body, request.overrides);
  return {
    taskArn: taskArn(realm, cluster.clusterName, id),
    clusterName: cluster.clusterName,
    taskDefinitionArn: definition.taskDefinitionArn,
    family: definition.family,
    revision: definition.revision,
    ...(serviceName === undefined ? {} : { serviceName }),
    ...(deploymentId === undefined ? {} : { deploymentId }),
    group: request.group,
    ...(startedBy === undefined ? {} : { startedBy }),
    launchType: request.launchType,
    ...(capacityProviderName === undefined ? {} : { capacityProviderName }),
    desiredStatus: 'RUNNING',
    lastStatus: 'PROVISIONING',
    healthStatus: 'UNKNOWN',
    cpu: String(resources.cpu),
    memory: String(resources.memoryMiB),
    resources,
    gpuIds: [],
    containers: newContainers({ realm, ids }, request, id),
    overrides: request.overrides,
    ...(networkConfiguration === undefined ? {} : { networkConfiguration }),
    ...networkAttachmentOf(ids, request),
    ...ephemeralStorageOf(request),
    enableExecuteCommand: request.enableExecuteCommand,
    tags: request.tags,
    createdAt: clock.now(),
    version: 1,
    assignmentNumber: 0,
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

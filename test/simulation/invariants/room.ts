/** Asked of the scheduler itself: is there really no place for one more? */
import { placementRequest } from '#control/reconciler/launch.ts';
import type { Occupant } from '#control/scheduler/candidate.ts';
import { place } from '#control/scheduler/place.ts';
import type { PlacementRequest } from '#control/scheduler/placement-request.ts';
import { seededRandom } from '#lib/random.ts';
import { attributeValue } from '#model/attributes.ts';
import { instanceGroupAttribute } from '#model/capacity-provider.ts';
import { instanceAttributes, type ContainerInstance } from '#model/container-instance.ts';
import type { PlacementConstraint, PlacementStrategy } from '#model/placement.ts';
import type { Service } from '#model/service.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import type { Task } from '#model/task.ts';
import type { RestView } from './rest-view.ts';

export function hasNoRoom(
  service: Service,
  view: RestView,
  taskDefinitionArn: string = service.taskDefinitionArn,
): boolean {
  const definition = view.definitions.get(taskDefinitionArn);
  if (definition === undefined) return true;
  const request = requestOf({ ...service, group: `service:${service.serviceName}` }, definition, view);
  const instances = registered(view);
  const occupying = occupants(view);
  const groups = (service.capacityProviderStrategy ?? []).map(({ capacityProvider }) => capacityProvider);
  if (groups.length > 0) {
    return groups.some((group) => !fits(request, membersOf(group, instances), occupying));
  }
  if (service.schedulingStrategy === 'REPLICA') return !fits(request, instances, occupying);
  // A daemon has its own place on each machine; it lacks room when any of those it misses has none.
  const covered = new Set(
    view.rows.liveOf(service.serviceName).map(({ containerInstanceArn }) => containerInstanceArn),
  );
  return instances
    .filter((instance) => !covered.has(instance.containerInstanceArn))
    .some((instance) => !fits(request, [instance], occupying));
}

/** For one more task of the service. */
export function hasRoomOn(machines: readonly ContainerInstance[], service: Service, view: RestView): boolean {
  const definition = view.definitions.get(service.taskDefinitionArn);
  if (definition === undefined) return false;
  const request = requestOf({ ...service, group: `service:${service.serviceName}` }, definition, view);
  return fits(request, machines, occupants(view));
}

/** For a task that waits for it. */
export function findsNoRoom(task: Task, view: RestView): boolean {
  const definition = view.definitions.get(task.taskDefinitionArn);
  if (definition === undefined) return true;
  const { group, launchType, waiting, capacityProviderName } = task;
  const placementConstraints = waiting?.placementConstraints ?? [];
  const placementStrategy = waiting?.placementStrategy ?? [];
  const request = requestOf({ group, launchType, placementConstraints, placementStrategy }, definition, view);
  const all = registered(view);
  const instances = capacityProviderName === undefined ? all : membersOf(capacityProviderName, all);
  return !fits(request, instances, occupants(view));
}

interface Wanted {
  readonly group: string;
  readonly serviceName?: string;
  readonly launchType: Service['launchType'];
  readonly placementConstraints: readonly PlacementConstraint[];
  readonly placementStrategy: readonly PlacementStrategy[];
}

function requestOf(
  { group, serviceName, launchType, placementConstraints, placementStrategy }: Wanted,
  definition: TaskDefinition,
  { cluster }: RestView,
): PlacementRequest {
  return placementRequest({
    cluster,
    definition,
    count: 1,
    group,
    ...(serviceName === undefined ? {} : { serviceName }),
    launchType,
    overrides: {},
    placementConstraints,
    placementStrategy,
    tags: [],
    enableExecuteCommand: false,
  });
}

function fits(
  request: PlacementRequest,
  instances: readonly ContainerInstance[],
  occupying: readonly Occupant[],
): boolean {
  return place(request, instances, occupying, seededRandom(1)).placements.length > 0;
}

function registered({ rows }: RestView): ContainerInstance[] {
  return [...rows.instances.values()].filter(({ status }) => status !== 'INACTIVE');
}

/** The group of a provider has its name. */
function membersOf(group: string, instances: readonly ContainerInstance[]): ContainerInstance[] {
  return instances.filter((instance) => attributeValue(instanceAttributes(instance), instanceGroupAttribute) === group);
}

function occupants({ rows }: RestView): Occupant[] {
  return rows
    .live()
    .flatMap((task) =>
      task.containerInstanceArn === undefined ? [] : [{ ...task, containerInstanceArn: task.containerInstanceArn }],
    );
}

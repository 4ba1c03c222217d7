/**
 * I27: at rest a service that asks for it is spread as evenly as the machines allow: where one zone, or one machine of a zone, has two tasks more than another,
 * the other has no room, or what is too much is protected.
 */
import { attributeValue } from '#model/attributes.ts';
import { instanceAttributes, type ContainerInstance } from '#model/container-instance.ts';
import type { Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';
import { ceilingOf } from './limits.ts';
import type { Problem, RestView } from './rest-view.ts';
import { hasRoomOn } from './room.ts';

const zoneAttribute = 'ecs.availability-zone';

interface Place {
  readonly name: string;
  readonly machines: readonly ContainerInstance[];
  readonly tasks: readonly Task[];
}

export function balanceProblems(service: Service, view: RestView): Problem[] {
  const { serviceName, desiredCount, schedulingStrategy, capacityProviderStrategy, deploymentController } = service;
  const { availabilityZoneRebalancing, tags } = service;
  if (schedulingStrategy === 'DAEMON' || deploymentController !== 'ECS') return [];
  if (capacityProviderStrategy !== undefined || ceilingOf(service) <= desiredCount) return [];
  const tasks = view.rows.liveOf(serviceName);
  const machines = [...view.rows.instances.values()].filter(({ status }) => status === 'ACTIVE');
  const zones = placesBy(zoneOf, machines, tasks);
  const problems: Problem[] = [];
  if (availabilityZoneRebalancing === 'ENABLED') problems.push(...unevenness(service, zones, view));
  if (!tags.some(({ key, value }) => key === 'berth:rebalance' && value === 'ENABLED')) return problems;
  const fields = fieldsOf(service);
  if (fields === undefined) return problems;
  if (fields === 'instances') return [...problems, ...unevenness(service, eachOf(machines, tasks), view)];
  const within = zones.flatMap((zone) => unevenness(service, eachOf(zone.machines, zone.tasks), view));
  return [...problems, ...unevenness(service, zones, view), ...within];
}

/** What the service is spread over in the first place; undefined: nothing. */
function fieldsOf({ placementStrategy: [first] }: Service): 'zones' | 'instances' | undefined {
  if (first === undefined) return 'zones';
  if (first.type !== 'spread') return undefined;
  return first.field === `attribute:${zoneAttribute}` ? 'zones' : 'instances';
}

function unevenness(service: Service, places: readonly Place[], view: RestView): Problem[] {
  for (const from of places) {
    const movable = from.tasks.some(({ protectedUntil = 0 }) => protectedUntil <= view.controlNow);
    if (!movable) continue;
    const to = places.find(
      (other) => from.tasks.length - other.tasks.length >= 2 && hasRoomOn(other.machines, service, view),
    );
    if (to === undefined) continue;
    const counts = `${from.tasks.length} tasks in ${from.name} and ${to.tasks.length} in ${to.name}`;
    return [{ invariant: 'I27', what: `service ${service.serviceName} has ${counts}, which has room` }];
  }
  return [];
}

function eachOf(machines: readonly ContainerInstance[], tasks: readonly Task[]): Place[] {
  return placesBy(({ hostname }) => hostname, machines, tasks);
}

function placesBy(
  nameOf: (machine: ContainerInstance) => string,
  machines: readonly ContainerInstance[],
  tasks: readonly Task[],
): Place[] {
  return [...Map.groupBy(machines, nameOf)].map(([name, members]) => {
    const arns = new Set(members.map(({ containerInstanceArn }) => containerInstanceArn));
    return {
      name,
      machines: members,
      tasks: tasks.filter(({ containerInstanceArn = '' }) => arns.has(containerInstanceArn)),
    };
  });
}

function zoneOf(machine: ContainerInstance): string {
  return attributeValue(instanceAttributes(machine), zoneAttribute) ?? '';
}

/** An instance while placement looks at it: what is left of it and who is on it, placements of the same request included. */
import type { Attribute } from '#model/attributes.ts';
import { attributeValue } from '#model/attributes.ts';
import { instanceAttributes, type ContainerInstance } from '#model/container-instance.ts';
import { remainingResources, type InstanceResources, type TaskResources } from '#model/resources.ts';
import type { QueriedInstance } from './query-evaluator.ts';

/** A live task as placement counts it; its resources are taken until it is known STOPPED. */
export interface Occupant {
  /** Absent for one that is only being placed. */
  taskArn?: string;
  containerInstanceArn: string;
  group: string;
  serviceName?: string;
  desiredStatus: 'RUNNING' | 'STOPPED';
  lastStatus: string;
  resources: TaskResources;
  gpuIds: readonly string[];
  /** When its service gave it up (docs/dead-hosts.md): it takes its share and is not spread. */
  lostAt?: number;
}

export interface Candidate {
  readonly instance: ContainerInstance;
  readonly attributes: readonly Attribute[];
  readonly occupants: readonly Occupant[];
  readonly remaining: InstanceResources;
}

/** One candidate per instance, in the order given. */
export function candidatesOf(instances: readonly ContainerInstance[], occupying: readonly Occupant[]): Candidate[] {
  const byInstance = Map.groupBy(occupying, (occupant) => occupant.containerInstanceArn);
  return candidatesOn(
    instances.map((instance) => ({ instance, tasks: byInstance.get(instance.containerInstanceArn) ?? [] })),
  );
}

/** An instance with what occupies it. Values that are the same are taken to say the same. */
export interface OccupiedPlace {
  readonly instance: ContainerInstance;
  readonly tasks: readonly Occupant[];
}

const known = new WeakMap<OccupiedPlace, Candidate>();

/** As `candidatesOf`; a place that was seen before costs nothing again. */
export function candidatesOn(places: readonly OccupiedPlace[]): Candidate[] {
  return places.map((place) => {
    const seen = known.get(place);
    if (seen !== undefined) return seen;
    const { instance, tasks } = place;
    const candidate = {
      instance,
      attributes: instanceAttributes(instance),
      occupants: tasks,
      remaining: remainingResources(instance.resources, tasks),
    };
    known.set(place, candidate);
    return candidate;
  });
}

interface Tally {
  readonly services: ReadonlyMap<string | undefined, number>;
  readonly groups: ReadonlyMap<string, number>;
}

const tallies = new WeakMap<readonly Occupant[], Tally>();

/** How many of its tasks are of the service, or else of the group, whose tasks are to be spread. */
export function ownTasks(
  { occupants }: Candidate,
  { group, serviceName }: { readonly group: string; readonly serviceName?: string },
): number {
  if (occupants.length === 0) return 0;
  let tally = tallies.get(occupants);
  if (tally === undefined) {
    tally = tallyOf(occupants);
    tallies.set(occupants, tally);
  }
  return (serviceName === undefined ? tally.groups.get(group) : tally.services.get(serviceName)) ?? 0;
}

function tallyOf(occupants: readonly Occupant[]): Tally {
  const services = new Map<string | undefined, number>();
  const groups = new Map<string, number>();
  for (const { desiredStatus, lostAt, serviceName, group } of occupants) {
    if (desiredStatus !== 'RUNNING' || lostAt !== undefined) continue;
    services.set(serviceName, (services.get(serviceName) ?? 0) + 1);
    groups.set(group, (groups.get(group) ?? 0) + 1);
  }
  return { services, groups };
}

/** The candidate with one more task on it. */
export function occupied(candidate: Candidate, occupant: Occupant): Candidate {
  return {
    ...candidate,
    occupants: [...candidate.occupants, occupant],
    remaining: remainingResources(candidate.remaining, [occupant]),
  };
}

export function queriedInstance({ instance, attributes, occupants }: Candidate): QueriedInstance {
  return {
    agentConnected: instance.agentConnected,
    agentVersion: instance.versionInfo.agentVersion,
    ec2InstanceId: instance.machineId,
    registeredAt: instance.registeredAt,
    runningTasksCount: occupants.filter((occupant) => occupant.lastStatus === 'RUNNING').length,
    attributes,
    taskGroups: occupants.filter((occupant) => occupant.desiredStatus === 'RUNNING').map((occupant) => occupant.group),
  };
}

/** What a placement field (`instanceId`, `host` or `attribute:NAME`) says of an instance; undefined when it has no such attribute. */
export function placementFieldValue({ instance, attributes }: Candidate, field: string): string | undefined {
  return fieldValue(instance, field, (name) => attributeValue(attributes, name));
}

/** As `placementFieldValue`, for where many instances are asked and nothing else of them is. */
export function instanceFieldValue(instance: ContainerInstance, field: string): string | undefined {
  const { customAttributes, agentAttributes } = instance;
  return fieldValue(instance, field, (name) => {
    const isCustom = customAttributes.some((attribute) => attribute.name === name);
    return attributeValue(isCustom ? customAttributes : agentAttributes, name);
  });
}

const attributePrefix = 'attribute:';

function fieldValue(
  { containerInstanceArn }: ContainerInstance,
  field: string,
  attribute: (name: string) => string | undefined,
): string | undefined {
  const isHost = field === 'instanceId' || field === 'host';
  if (isHost) return containerInstanceArn;
  return attribute(field.startsWith(attributePrefix) ? field.slice(attributePrefix.length) : field);
}

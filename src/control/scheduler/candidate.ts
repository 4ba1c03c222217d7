/** An instance while placement looks at it: what is left of it and who is on it, placements of the same request included. */
import type { Attribute } from '#model/attributes.ts';
import { attributeValue } from '#model/attributes.ts';
import { isCounted, type Claims } from '#model/claims.ts';
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
  /** See `OccupiedPlace`; absent once it differs from its place. */
  readonly claims?: Claims;
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
  /** The tasks added up, where the caller has that. */
  readonly claims?: Claims;
}

const known = new WeakMap<OccupiedPlace, Candidate>();

/** As `candidatesOf`; a place that was seen before costs nothing again. */
export function candidatesOn(places: readonly OccupiedPlace[]): Candidate[] {
  return places.map((place) => {
    const seen = known.get(place);
    if (seen !== undefined) return seen;
    const { instance, tasks, claims } = place;
    const taking = claims === undefined ? tasks : [claims];
    const candidate: Candidate = {
      instance,
      attributes: attributesOf(instance),
      occupants: tasks,
      remaining: remainingResources(instance.resources, taking),
      ...(claims === undefined ? {} : { claims }),
    };
    known.set(place, candidate);
    return candidate;
  });
}

interface Merged {
  readonly custom: readonly Attribute[];
  readonly all: readonly Attribute[];
}

/** By those that the agent reported: an instance is another value with each launch on it, its attributes are not. */
const mergedAttributes = new WeakMap<readonly Attribute[], Merged>();

function attributesOf(instance: ContainerInstance): readonly Attribute[] {
  const { agentAttributes, customAttributes: custom } = instance;
  const seen = mergedAttributes.get(agentAttributes);
  if (seen !== undefined && seen.custom === custom) return seen.all;
  const all = instanceAttributes(instance);
  mergedAttributes.set(agentAttributes, { custom, all });
  return all;
}

/** For those whose tasks nobody added up. */
const added = new WeakMap<readonly Occupant[], Pick<Claims, 'services' | 'groups'>>();

/** How many of its tasks are of the service, or else of the group, whose tasks are to be spread. */
export function ownTasks(
  { occupants, claims }: Candidate,
  { group, serviceName }: { readonly group: string; readonly serviceName?: string },
): number {
  if (occupants.length === 0) return 0;
  let counts: Pick<Claims, 'services' | 'groups'> | undefined = claims ?? added.get(occupants);
  if (counts === undefined) {
    counts = addedUp(occupants);
    added.set(occupants, counts);
  }
  return (serviceName === undefined ? counts.groups.get(group) : counts.services.get(serviceName)) ?? 0;
}

function addedUp(occupants: readonly Occupant[]): Pick<Claims, 'services' | 'groups'> {
  const services = new Map<string, number>();
  const groups = new Map<string, number>();
  for (const occupant of occupants) {
    if (!isCounted(occupant)) continue;
    const { serviceName, group } = occupant;
    if (serviceName !== undefined) services.set(serviceName, (services.get(serviceName) ?? 0) + 1);
    groups.set(group, (groups.get(group) ?? 0) + 1);
  }
  return { services, groups };
}

/** The candidate with one more task on it. */
export function occupied({ instance, attributes, occupants, remaining }: Candidate, occupant: Occupant): Candidate {
  return {
    instance,
    attributes,
    occupants: [...occupants, occupant],
    remaining: remainingResources(remaining, [occupant]),
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

/** Whether each instance has a value of its own. */
export function isInstanceField(field: string): boolean {
  return field === 'instanceId' || field === 'host';
}

const attributePrefix = 'attribute:';

function fieldValue(
  { containerInstanceArn }: ContainerInstance,
  field: string,
  attribute: (name: string) => string | undefined,
): string | undefined {
  if (isInstanceField(field)) return containerInstanceArn;
  return attribute(field.startsWith(attributePrefix) ? field.slice(attributePrefix.length) : field);
}

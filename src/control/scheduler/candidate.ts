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
  /** See `OccupiedPlace`; absent once it differs from its place. */
  readonly claims?: object;
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
  /** As long as it is the same, the tasks differ in `lastStatus` at most. */
  readonly claims?: object;
}

const known = new WeakMap<OccupiedPlace, Candidate>();

interface Left {
  readonly of: InstanceResources;
  readonly remaining: InstanceResources;
}

/** What is left beside the claims, of the resources for which that was last asked. */
const leftBeside = new WeakMap<object, Left>();

/** As `candidatesOf`; a place that was seen before costs nothing again. */
export function candidatesOn(places: readonly OccupiedPlace[]): Candidate[] {
  return places.map((place) => {
    const seen = known.get(place);
    if (seen !== undefined) return seen;
    const { instance, tasks, claims } = place;
    const candidate: Candidate = {
      instance,
      attributes: attributesOf(instance),
      occupants: tasks,
      remaining: leftOn(place),
      ...(claims === undefined ? {} : { claims }),
    };
    known.set(place, candidate);
    return candidate;
  });
}

function leftOn({ instance, tasks, claims }: OccupiedPlace): InstanceResources {
  const seen = claims === undefined ? undefined : leftBeside.get(claims);
  if (seen !== undefined && seen.of === instance.resources) return seen.remaining;
  const left = { of: instance.resources, remaining: remainingResources(instance.resources, tasks) };
  if (claims !== undefined) leftBeside.set(claims, left);
  return left.remaining;
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

type Tally = ReadonlyMap<string | undefined, number>;

/** By what the candidate's tasks claim, or by the tasks where nothing else stands for them. */
const serviceTallies = new WeakMap<object, Tally>();
const groupTallies = new WeakMap<object, Tally>();

/** How many of its tasks are of the service, or else of the group, whose tasks are to be spread. */
export function ownTasks(
  { occupants, claims = occupants }: Candidate,
  { group, serviceName }: { readonly group: string; readonly serviceName?: string },
): number {
  if (occupants.length === 0) return 0;
  const [tallies, name] = serviceName === undefined ? [groupTallies, group] : [serviceTallies, serviceName];
  let tally = tallies.get(claims);
  if (tally === undefined) {
    tally = tallyOf(occupants, serviceName === undefined ? (each) => each.group : (each) => each.serviceName);
    tallies.set(claims, tally);
  }
  return tally.get(name) ?? 0;
}

function tallyOf(occupants: readonly Occupant[], nameOf: (occupant: Occupant) => string | undefined): Tally {
  const counts = new Map<string | undefined, number>();
  for (const occupant of occupants) {
    if (occupant.desiredStatus !== 'RUNNING' || occupant.lostAt !== undefined) continue;
    const name = nameOf(occupant);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
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

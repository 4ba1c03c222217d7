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
  return instances.map((instance) => {
    const occupants = byInstance.get(instance.containerInstanceArn) ?? [];
    return {
      instance,
      attributes: instanceAttributes(instance),
      occupants,
      remaining: remainingResources(instance.resources, occupants),
    };
  });
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

/** As `placementFieldValue`, for where many instances are asked and nothing else of them is. */
export function instanceFieldValue(instance: ContainerInstance, field: string): string | undefined {
  if (field === 'instanceId' || field === 'host') return instance.containerInstanceArn;
  const name = field.replace(/^attribute:/, '');
  return attributeValue(instance.customAttributes, name) ?? attributeValue(instance.agentAttributes, name);
}

/** What a placement field (`instanceId`, `host` or `attribute:NAME`) says of an instance; undefined when it has no such attribute. */
export function placementFieldValue(candidate: Candidate, field: string): string | undefined {
  if (field === 'instanceId' || field === 'host') return candidate.instance.containerInstanceArn;
  return attributeValue(candidate.attributes, field.replace(/^attribute:/, ''));
}

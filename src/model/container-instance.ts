/**
 * A container instance: one machine with an agent. Resources and versions are written by the agent at registration, custom
 * attributes and status through the API, connectivity by control's session layer.
 */
import type { AgentUpdate } from './agent-update.ts';
import type { Attribute } from './attributes.ts';
import type { Prepull } from './prepull.ts';
import type { InstanceResources } from './resources.ts';
import type { Tag } from './tag.ts';

export const containerInstanceStatuses = [
  'REGISTERING',
  'REGISTRATION_FAILED',
  'ACTIVE',
  'DRAINING',
  'DEREGISTERING',
  'INACTIVE',
] as const;
export type ContainerInstanceStatus = (typeof containerInstanceStatuses)[number];

export interface VersionInfo {
  agentVersion: string;
  agentHash?: string;
  dockerVersion?: string;
}

export type InstanceHealthStatus = 'OK' | 'IMPAIRED' | 'INSUFFICIENT_DATA' | 'INITIALIZING';

/** ECS's instance health: `OK` may take tasks; `IMPAIRED` takes none and says why in `reason`. */
export interface InstanceHealth {
  status: InstanceHealthStatus;
  reason?: string;
  /** Epoch milliseconds of the last report that said something new and of the last change of `status`. */
  updatedAt: number;
  changedAt: number;
  /** Each check of the agent on its own; absent when it reports only the whole. */
  details?: readonly InstanceHealthDetail[];
}

export interface InstanceHealthDetail {
  /** `CONTAINER_RUNTIME`, or one of the agent's own (docs/metrics.md). */
  type: string;
  status: InstanceHealthStatus;
  reason?: string;
  updatedAt: number;
  changedAt: number;
}

export interface ContainerInstance {
  containerInstanceArn: string;
  clusterName: string;
  /** The machine's own identity (kept by the agent on its disk); shown as `ec2InstanceId`. */
  machineId: string;
  hostname: string;
  status: ContainerInstanceStatus;
  statusReason?: string;
  /** Epoch milliseconds since when it is DRAINING; absent otherwise. */
  drainingSince?: number;
  agentConnected: boolean;
  /** Epoch milliseconds since when `agentConnected` has its value. */
  agentConnectedChangedAt: number;
  resources: InstanceResources;
  /** Reported by the agent. */
  agentAttributes: readonly Attribute[];
  /** Put through the API; win over the agent's where names clash. */
  customAttributes: readonly Attribute[];
  versionInfo: VersionInfo;
  health: InstanceHealth;
  registeredAt: number;
  deregisteredAt?: number;
  tags: readonly Tag[];
  /** Grows with every change that a client can see. */
  version: number;
  /** Head of this instance's line of assignments; each change for this instance takes the next number. */
  assignmentNumber: number;
  /** `assignmentNumber` when its agent fell silent; absent while it is connected. The agent cannot have heard of later ones. */
  heardUpTo?: number;
  /**
   * Numbers (`after` < n <= `upTo`) that the agent had received and this database had never given out: it was restored from a backup. What the
   * agent got under them is unknown here through no fault of its own and is never stopped for that (docs/session.md).
   */
  forgottenAssignments?: readonly { after: number; upTo: number }[];
  /** Images that it was asked to have ahead of deployments. */
  prepulls?: readonly Prepull[];
  /** The last update of its agent that somebody asked for. */
  agentUpdate?: AgentUpdate;
}

/** How the `statusReason` of a DRAINING instance begins when no task is left on it. */
export const drainingComplete = 'Draining is complete';

/** All attributes with custom values winning over reported ones. */
export function instanceAttributes(
  instance: Pick<ContainerInstance, 'agentAttributes' | 'customAttributes'>,
): Attribute[] {
  const custom = new Set(instance.customAttributes.map((attribute) => attribute.name));
  return [...instance.agentAttributes.filter((attribute) => !custom.has(attribute.name)), ...instance.customAttributes];
}

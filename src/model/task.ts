/**
 * A task: one placed copy of a task definition. `desiredStatus` is written by control alone; `lastStatus` and everything about containers by
 * the task's agent (by control only before assignment, or when the instance is declared lost or deregistered by force).
 * Statuses are ordered and never go back; STOPPED is final. The table is docs/task-lifecycle.md.
 */
import type { EnvironmentFile, KeyValuePair, ResourceRequirement } from './container-definition.ts';
import type { EphemeralStorage, NetworkConfiguration, PlacementWait } from './placement.ts';
import type { TaskResources, TransportProtocol } from './resources.ts';
import type { Tag } from './tag.ts';

/** In order: a status may only be replaced by a later one. */
export const taskStatuses = [
  'PROVISIONING',
  'PENDING',
  'ACTIVATING',
  'RUNNING',
  'DEACTIVATING',
  'STOPPING',
  'DEPROVISIONING',
  'STOPPED',
] as const;
export type TaskStatus = (typeof taskStatuses)[number];

export type DesiredStatus = 'RUNNING' | 'STOPPED';

export type ContainerStatus = 'PENDING' | 'RUNNING' | 'STOPPED';

export type HealthStatus = 'HEALTHY' | 'UNHEALTHY' | 'UNKNOWN';

export const stopCodes = [
  'TaskFailedToStart',
  'EssentialContainerExited',
  'UserInitiated',
  'ServiceSchedulerInitiated',
  'SpotInterruption',
  'TerminationNotice',
  'InfrastructureHealth',
] as const;
export type StopCode = (typeof stopCodes)[number];

export interface NetworkBinding {
  bindIP?: string;
  containerPort?: number;
  hostPort?: number;
  protocol?: TransportProtocol;
  containerPortRange?: string;
  hostPortRange?: string;
}

/**
 * The network interface of a task with a network of its own (awsvpc). What it is called is decided at placement; its addresses come from the
 * task's agent. Its status follows from them and from the task's: `networkAttachmentStatus`.
 */
export interface NetworkAttachment {
  /** A UUID. */
  id: string;
  /** `eni-…`. */
  networkInterfaceId: string;
  /** The first of the network configuration. */
  subnetId: string;
  privateIpv4Address?: string;
  macAddress?: string;
}

export interface TaskContainer {
  containerArn: string;
  name: string;
  image: string;
  imageDigest?: string;
  /** The digest it was launched with, that of its deployment; absent when the tag decides. */
  pinnedDigest?: string;
  /** The engine's container id. */
  runtimeId?: string;
  lastStatus: ContainerStatus;
  exitCode?: number;
  /** Its last lines, when it failed by itself; Berth's own, not among ECS's answers. */
  lastOutput?: readonly string[];
  /** Why it failed, or what it waits for. At most 1024 characters. */
  reason?: string;
  healthStatus: HealthStatus;
  networkBindings: readonly NetworkBinding[];
  cpu?: string;
  memory?: string;
  memoryReservation?: string;
  gpuIds?: readonly string[];
}

export interface ContainerOverride {
  name?: string;
  command?: readonly string[];
  environment?: readonly KeyValuePair[];
  environmentFiles?: readonly EnvironmentFile[];
  cpu?: number;
  memory?: number;
  memoryReservation?: number;
  resourceRequirements?: readonly ResourceRequirement[];
}

export interface TaskOverride {
  containerOverrides?: readonly ContainerOverride[];
  cpu?: string;
  memory?: string;
  inferenceAcceleratorOverrides?: readonly { deviceName?: string; deviceType?: string }[];
  taskRoleArn?: string;
  executionRoleArn?: string;
  ephemeralStorage?: EphemeralStorage;
}

export interface Task {
  taskArn: string;
  clusterName: string;
  taskDefinitionArn: string;
  family: string;
  revision: number;
  /** Absent while the task waits for a place, and of one that ended without. */
  containerInstanceArn?: string;
  /** Present while it waits for a place. */
  waiting?: PlacementWait;
  /** Present when a service runs the task. */
  serviceName?: string;
  /** The deployment (`ecs-svc/…`) a service task belongs to; equals `startedBy` then. */
  deploymentId?: string;
  /** `service:<name>`, `family:<family>` or what the caller said. */
  group: string;
  startedBy?: string;
  launchType: 'EC2' | 'FARGATE' | 'EXTERNAL';
  /** Present when a capacity provider strategy chose where it may go. */
  capacityProviderName?: string;
  availabilityZone?: string;
  desiredStatus: DesiredStatus;
  lastStatus: TaskStatus;
  healthStatus: HealthStatus;
  connectivity?: 'CONNECTED' | 'DISCONNECTED';
  connectivityAt?: number;
  /** As shown to clients: the task-level size or the sum over containers. */
  cpu: string;
  memory: string;
  resources: TaskResources;
  gpuIds: readonly string[];
  containers: readonly TaskContainer[];
  overrides: TaskOverride;
  networkConfiguration?: NetworkConfiguration;
  networkAttachment?: NetworkAttachment;
  /** Of FARGATE tasks, and of those whose definition says. */
  ephemeralStorage?: EphemeralStorage;
  enableExecuteCommand: boolean;
  /** Until then neither a scale-in nor a deployment stops it; see task-protection.ts. Not taken away when that time has passed. */
  protectedUntil?: number;
  /**
   * When its service gave it up, its instance having been silent for too long (docs/dead-hosts.md). `lastStatus` stays what was last known. Until its
   * agent is back and the pair it makes with its replacement is settled it counts for nothing in its service.
   */
  lostAt?: number;
  tags: readonly Tag[];
  stopCode?: StopCode;
  stoppedReason?: string;
  /** Epoch milliseconds, all of them. */
  createdAt: number;
  pullStartedAt?: number;
  pullStoppedAt?: number;
  startedAt?: number;
  /** When control first heard that it had started, by control's clock: waits count from it, whatever the machine's clock says. */
  runningSince?: number;
  stoppingAt?: number;
  executionStoppedAt?: number;
  stoppedAt?: number;
  /** Grows with every change a client can see. */
  version: number;
  /** The number, on its instance's line, of the last change control made to this task. 0 before assignment. */
  assignmentNumber: number;
  /** The highest state change of the agent that this row reflects; replays at or below it change nothing. */
  stateChangeNumber: number;
}

const ranks: ReadonlyMap<TaskStatus, number> = new Map(taskStatuses.map((status, rank) => [status, rank]));

export function taskStatusRank(status: TaskStatus): number {
  return ranks.get(status) ?? -1;
}

/** The later of two statuses. */
export function laterTaskStatus(a: TaskStatus, b: TaskStatus): TaskStatus {
  return taskStatusRank(b) > taskStatusRank(a) ? b : a;
}

export function hasStopped(task: Pick<Task, 'lastStatus'>): boolean {
  return task.lastStatus === 'STOPPED';
}

/** ECS's names; those in between are never seen here. */
export function networkAttachmentStatus(
  task: Pick<Task, 'lastStatus' | 'networkAttachment'>,
): 'PRECREATED' | 'ATTACHED' | 'DELETED' {
  if (hasStopped(task)) return 'DELETED';
  return task.networkAttachment?.privateIpv4Address === undefined ? 'PRECREATED' : 'ATTACHED';
}

/**
 * Health of a task from its essential containers: any UNHEALTHY wins, then any UNKNOWN, else HEALTHY. A container without a health check is
 * UNKNOWN for ever, as in ECS; `checked` says which containers have one and only those count when there is at least one.
 */
export function taskHealth(essential: readonly { healthStatus: HealthStatus; checked: boolean }[]): HealthStatus {
  const counted = essential.filter((container) => container.checked);
  if (counted.length === 0) return 'UNKNOWN';
  if (counted.some((container) => container.healthStatus === 'UNHEALTHY')) return 'UNHEALTHY';
  if (counted.some((container) => container.healthStatus === 'UNKNOWN')) return 'UNKNOWN';
  return 'HEALTHY';
}

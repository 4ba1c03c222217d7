/**
 * A task definition: which containers run together, how large they are, what they need. A revision never changes after it
 * is registered; only its status does. `body` is what the user sent, kept whole so that it can be given back unchanged.
 */
import type { Attribute } from './attributes.ts';
import type { ContainerDefinition, KeyValuePair } from './container-definition.ts';
import type { EphemeralStorage } from './placement.ts';
import type { HostPort, TaskResources } from './resources.ts';
import type { Tag } from './tag.ts';
import type { ContainerOverride, TaskOverride } from './task.ts';

export const taskDefinitionStatuses = ['ACTIVE', 'INACTIVE', 'DELETE_IN_PROGRESS'] as const;
export type TaskDefinitionStatus = (typeof taskDefinitionStatuses)[number];

export const networkModes = ['bridge', 'host', 'awsvpc', 'none'] as const;
export type NetworkMode = (typeof networkModes)[number];

export const launchCompatibilities = ['EC2', 'FARGATE', 'EXTERNAL', 'MANAGED_INSTANCES'] as const;
export type Compatibility = (typeof launchCompatibilities)[number];

export interface DockerVolumeConfiguration {
  scope?: 'task' | 'shared';
  autoprovision?: boolean;
  driver?: string;
  driverOpts?: Readonly<Record<string, string>>;
  labels?: Readonly<Record<string, string>>;
}

export interface EfsVolumeConfiguration {
  fileSystemId: string;
  rootDirectory?: string;
  transitEncryption?: 'ENABLED' | 'DISABLED';
  transitEncryptionPort?: number;
  authorizationConfig?: { accessPointId?: string; iam?: 'ENABLED' | 'DISABLED' };
}

export interface S3FilesVolumeConfiguration {
  fileSystemArn: string;
  rootDirectory?: string;
  transitEncryptionPort?: number;
  accessPointArn?: string;
}

export interface FsxWindowsFileServerVolumeConfiguration {
  fileSystemId: string;
  rootDirectory: string;
  authorizationConfig: { credentialsParameter: string; domain: string };
}

/** At most one of the configurations; none means a volume of the host, empty unless `host.sourcePath` is given. */
export interface Volume {
  name: string;
  host?: { sourcePath?: string };
  dockerVolumeConfiguration?: DockerVolumeConfiguration;
  efsVolumeConfiguration?: EfsVolumeConfiguration;
  s3filesVolumeConfiguration?: S3FilesVolumeConfiguration;
  fsxWindowsFileServerVolumeConfiguration?: FsxWindowsFileServerVolumeConfiguration;
  configuredAtLaunch?: boolean;
}

export interface TaskDefinitionPlacementConstraint {
  type?: 'memberOf';
  expression?: string;
}

export interface ProxyConfiguration {
  type?: 'APPMESH';
  containerName: string;
  properties?: readonly KeyValuePair[];
}

export type OperatingSystemFamily =
  | 'LINUX'
  | 'WINDOWS_SERVER_2004_CORE'
  | 'WINDOWS_SERVER_2016_FULL'
  | 'WINDOWS_SERVER_2019_CORE'
  | 'WINDOWS_SERVER_2019_FULL'
  | 'WINDOWS_SERVER_2022_CORE'
  | 'WINDOWS_SERVER_2022_FULL'
  | 'WINDOWS_SERVER_2025_CORE'
  | 'WINDOWS_SERVER_2025_FULL'
  | 'WINDOWS_SERVER_20H2_CORE';

export interface RuntimePlatform {
  cpuArchitecture?: 'X86_64' | 'ARM64';
  operatingSystemFamily?: OperatingSystemFamily;
}

export interface InferenceAccelerator {
  deviceName: string;
  deviceType: string;
}

/** What RegisterTaskDefinition takes, less the tags. */
export interface TaskDefinitionBody {
  family: string;
  containerDefinitions: readonly ContainerDefinition[];
  volumes?: readonly Volume[];
  /** Absent means `bridge`. */
  networkMode?: NetworkMode;
  /** CPU units (`"256"`) or cores (`".25 vCPU"`). */
  cpu?: string;
  /** MiB (`"512"`) or gigabytes (`"0.5 GB"`). */
  memory?: string;
  taskRoleArn?: string;
  executionRoleArn?: string;
  placementConstraints?: readonly TaskDefinitionPlacementConstraint[];
  requiresCompatibilities?: readonly Compatibility[];
  runtimePlatform?: RuntimePlatform;
  pidMode?: 'host' | 'task';
  ipcMode?: 'host' | 'task' | 'none';
  proxyConfiguration?: ProxyConfiguration;
  inferenceAccelerators?: readonly InferenceAccelerator[];
  ephemeralStorage?: EphemeralStorage;
  enableFaultInjection?: boolean;
}

export interface TaskDefinition {
  taskDefinitionArn: string;
  family: string;
  revision: number;
  status: TaskDefinitionStatus;
  /** Epoch milliseconds. */
  registeredAt: number;
  deregisteredAt?: number;
  deleteRequestedAt?: number;
  registeredBy?: string;
  requiresAttributes: readonly Attribute[];
  compatibilities: readonly Compatibility[];
  tags: readonly Tag[];
  body: TaskDefinitionBody;
}

/** CPU units and MiB. */
export interface TaskSize {
  cpu: number;
  memoryMiB: number;
}

const cpuUnitsPerCore = 1024;
const mebibytesPerGigabyte = 1024;

/** CPU units of a task-level `cpu`: `"512"`, `"1024"`, `"1 vCPU"`, `".5 vcpu"`. Undefined when it is none of these. */
export function parseTaskCpu(text: string): number | undefined {
  return parseAmount(text, /^(\d+(?:\.\d+)?|\.\d+)\s*vcpu$/i, cpuUnitsPerCore);
}

/** MiB of a task-level `memory`: `"512"`, `"1 GB"`, `"0.5GB"`. Undefined when it is none of these. */
export function parseTaskMemory(text: string): number | undefined {
  return parseAmount(text, /^(\d+(?:\.\d+)?|\.\d+)\s*gb$/i, mebibytesPerGigabyte);
}

function parseAmount(text: string, withUnit: RegExp, unitSize: number): number | undefined {
  const trimmed = text.trim();
  if (/^\d+$/.test(trimmed)) return Number(trimmed);
  const amount = withUnit.exec(trimmed)?.[1];
  if (amount === undefined) return undefined;
  return Math.round(Number(amount) * unitSize);
}

/**
 * What a task asks of a host. The task-level size wins where it is given; otherwise the containers add up, each with its soft
 * memory limit when it has one (ECS reserves `memoryReservation`, and `memory` only bounds). Overrides replace values of the definition.
 */
export function taskSize(body: TaskDefinitionBody, overrides: TaskOverride = {}): TaskSize {
  const taskCpu = overrides.cpu ?? body.cpu;
  const taskMemory = overrides.memory ?? body.memory;
  let cpu = 0;
  let memoryMiB = 0;
  for (const container of body.containerDefinitions) {
    const override = containerOverride(overrides, container.name);
    cpu += override?.cpu ?? container.cpu ?? 0;
    memoryMiB +=
      override?.memoryReservation ?? container.memoryReservation ?? override?.memory ?? container.memory ?? 0;
  }
  return {
    cpu: (taskCpu === undefined ? undefined : parseTaskCpu(taskCpu)) ?? cpu,
    memoryMiB: (taskMemory === undefined ? undefined : parseTaskMemory(taskMemory)) ?? memoryMiB,
  };
}

/**
 * The host ports a task occupies wherever it is placed. Ports that the host chooses (bridge mode without a `hostPort`, port ranges) and
 * tasks with their own network (`awsvpc`, `none`) occupy none.
 */
export function taskPorts(body: TaskDefinitionBody): HostPort[] {
  const mode = body.networkMode ?? 'bridge';
  if (mode !== 'bridge' && mode !== 'host') return [];
  const ports: HostPort[] = [];
  for (const container of body.containerDefinitions) {
    for (const mapping of container.portMappings ?? []) {
      const port = mode === 'host' ? mapping.containerPort : mapping.hostPort;
      if (port !== undefined && port !== 0) ports.push({ port, protocol: mapping.protocol ?? 'tcp' });
    }
  }
  return ports;
}

/** `first-last` as in `containerPortRange`. Undefined when it is not two ports in order. */
export function portRange(text: string): { first: number; last: number } | undefined {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2]);
  return first >= 1 && first <= last && last <= 65_535 ? { first, last } : undefined;
}

/** Whole GPUs over all containers. */
export function taskGpuCount(body: TaskDefinitionBody, overrides: TaskOverride = {}): number {
  let count = 0;
  for (const container of body.containerDefinitions) {
    const requirements =
      containerOverride(overrides, container.name)?.resourceRequirements ?? container.resourceRequirements ?? [];
    for (const requirement of requirements) {
      if (requirement.type === 'GPU') count += Number(requirement.value ?? '0');
    }
  }
  return count;
}

/** Everything placement has to find room for. */
export function taskResources(body: TaskDefinitionBody, overrides: TaskOverride = {}): TaskResources {
  return { ...taskSize(body, overrides), ports: taskPorts(body), gpuCount: taskGpuCount(body, overrides) };
}

function containerOverride(overrides: TaskOverride, name: string): ContainerOverride | undefined {
  return overrides.containerOverrides?.find((candidate) => candidate.name === name);
}

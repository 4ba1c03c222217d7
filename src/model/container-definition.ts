/**
 * A container as a task definition describes it, in ECS's own field names.
 *
 * These types hold what the user sent, unchanged: no default is filled in, so a definition can be given back exactly as
 * it came. Sizes are as ECS states them: `cpu` in units of 1/1024 core, memory in MiB, times in seconds.
 */

import type { TransportProtocol } from './resources.ts';

export interface KeyValuePair {
  name: string;
  value?: string;
}

/** An environment variable or log option whose value is kept elsewhere; `valueFrom` is an ARN or a parameter name. */
export interface Secret {
  name: string;
  valueFrom: string;
}

export interface PortMapping {
  containerPort?: number;
  /** Absent or 0 in bridge mode: the host picks a free port. In host mode it must equal `containerPort`. */
  hostPort?: number;
  protocol?: TransportProtocol;
  name?: string;
  appProtocol?: 'http' | 'http2' | 'grpc';
  /** `first-last`, instead of `containerPort`. */
  containerPortRange?: string;
}

export interface MountPoint {
  sourceVolume?: string;
  containerPath?: string;
  readOnly?: boolean;
}

export interface VolumeFrom {
  sourceContainer?: string;
  readOnly?: boolean;
}

export interface EnvironmentFile {
  value: string;
  type: 's3';
}

export type ContainerCondition = 'START' | 'COMPLETE' | 'SUCCESS' | 'HEALTHY';

export interface ContainerDependency {
  containerName: string;
  condition: ContainerCondition;
}

export interface ContainerRestartPolicy {
  enabled: boolean;
  ignoredExitCodes?: readonly number[];
  /** Seconds. */
  restartAttemptPeriod?: number;
}

export interface HealthCheck {
  /** `["CMD", ...]` or `["CMD-SHELL", "..."]`. */
  command: readonly string[];
  interval?: number;
  timeout?: number;
  retries?: number;
  startPeriod?: number;
}

export type LogDriver = 'awsfirelens' | 'awslogs' | 'fluentd' | 'gelf' | 'journald' | 'json-file' | 'splunk' | 'syslog';

export interface LogConfiguration {
  logDriver: LogDriver;
  options?: Readonly<Record<string, string>>;
  secretOptions?: readonly Secret[];
}

export interface FirelensConfiguration {
  type: 'fluentd' | 'fluentbit';
  options?: Readonly<Record<string, string>>;
}

export interface Device {
  hostPath: string;
  containerPath?: string;
  permissions?: readonly ('read' | 'write' | 'mknod')[];
}

export interface Tmpfs {
  containerPath: string;
  /** MiB. */
  size: number;
  mountOptions?: readonly string[];
}

export interface LinuxParameters {
  capabilities?: { add?: readonly string[]; drop?: readonly string[] };
  devices?: readonly Device[];
  initProcessEnabled?: boolean;
  /** MiB. */
  sharedMemorySize?: number;
  tmpfs?: readonly Tmpfs[];
  /** MiB. */
  maxSwap?: number;
  swappiness?: number;
}

export type UlimitName =
  | 'core'
  | 'cpu'
  | 'data'
  | 'fsize'
  | 'locks'
  | 'memlock'
  | 'msgqueue'
  | 'nice'
  | 'nofile'
  | 'nproc'
  | 'rss'
  | 'rtprio'
  | 'rttime'
  | 'sigpending'
  | 'stack';

export interface Ulimit {
  name: UlimitName;
  softLimit: number;
  hardLimit: number;
}

export interface SystemControl {
  namespace?: string;
  value?: string;
}

export interface HostEntry {
  hostname: string;
  ipAddress: string;
}

/** How several containers share one GPU; `memory` in MiB. */
export interface SharingStrategy {
  nvidiaMps: { memory: number; maxComputePercent?: number };
}

export interface ResourceRequirement {
  value?: string;
  type: 'GPU' | 'InferenceAccelerator' | 'NeuronDevice';
  sharingStrategy?: SharingStrategy;
}

export interface ContainerDefinition {
  name: string;
  image: string;
  repositoryCredentials?: { credentialsParameter: string };
  cpu?: number;
  /** Hard limit, MiB. */
  memory?: number;
  /** Soft limit, MiB. */
  memoryReservation?: number;
  links?: readonly string[];
  portMappings?: readonly PortMapping[];
  /** Absent means true. */
  essential?: boolean;
  restartPolicy?: ContainerRestartPolicy;
  entryPoint?: readonly string[];
  command?: readonly string[];
  environment?: readonly KeyValuePair[];
  environmentFiles?: readonly EnvironmentFile[];
  mountPoints?: readonly MountPoint[];
  volumesFrom?: readonly VolumeFrom[];
  linuxParameters?: LinuxParameters;
  secrets?: readonly Secret[];
  dependsOn?: readonly ContainerDependency[];
  startTimeout?: number;
  stopTimeout?: number;
  versionConsistency?: 'enabled' | 'disabled';
  hostname?: string;
  user?: string;
  workingDirectory?: string;
  disableNetworking?: boolean;
  privileged?: boolean;
  readonlyRootFilesystem?: boolean;
  dnsServers?: readonly string[];
  dnsSearchDomains?: readonly string[];
  extraHosts?: readonly HostEntry[];
  dockerSecurityOptions?: readonly string[];
  interactive?: boolean;
  pseudoTerminal?: boolean;
  dockerLabels?: Readonly<Record<string, string>>;
  ulimits?: readonly Ulimit[];
  logConfiguration?: LogConfiguration;
  healthCheck?: HealthCheck;
  systemControls?: readonly SystemControl[];
  resourceRequirements?: readonly ResourceRequirement[];
  firelensConfiguration?: FirelensConfiguration;
  credentialSpecs?: readonly string[];
}

/** ECS treats a container as essential unless it is told otherwise. */
export function isEssential(container: ContainerDefinition): boolean {
  return container.essential !== false;
}

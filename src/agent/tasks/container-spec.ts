/**
 * What the agent asks an engine to create and what it sees afterwards, in our own words. `container-config.ts` renders a container definition
 * into a spec; `engine/docker.ts` translates a spec into the engine's own request and an inspection back into an observation.
 */
import type { HealthStatus, NetworkBinding } from '#model/task.ts';
import type { TransportProtocol } from '#model/resources.ts';

export interface PortBinding {
  containerPort: number;
  protocol: TransportProtocol;
  /** 0: the engine picks a free one. */
  hostPort: number;
}

export interface Mount {
  kind: 'bind' | 'volume' | 'tmpfs';
  /** Host path or volume name; absent for tmpfs and anonymous volumes. */
  source?: string;
  target: string;
  readOnly: boolean;
  tmpfsSizeBytes?: number;
  /** e.g. `noexec`. */
  tmpfsOptions?: readonly string[];
}

export interface DeviceMapping {
  hostPath: string;
  containerPath: string;
  /** Any of `r`, `w` and `m`. */
  permissions: string;
}

export interface HealthCheckSpec {
  test: readonly string[];
  intervalMs: number;
  timeoutMs: number;
  retries: number;
  startPeriodMs: number;
}

/** Of the engine, a network by its name, or that of another container by its name, which then has to run. */
export type NetworkChoice = 'bridge' | 'host' | 'none' | { network: string } | { container: string };

/** Of the host, of another container by its name, or one that others may join. */
export type ProcessNamespace = 'host' | { container: string };
export type IpcNamespace = 'host' | 'none' | 'shareable' | { container: string };

export interface ContainerSpec {
  /** Unique on the host; saved before create, so that a crash between create and save is repaired by looking it up. */
  name: string;
  image: string;
  entryPoint?: readonly string[];
  command?: readonly string[];
  /** `KEY=value`, in order. */
  environment: readonly string[];
  labels: Readonly<Record<string, string>>;
  workingDirectory?: string;
  user?: string;
  hostname?: string;
  network: NetworkChoice;
  /** Its own by default. */
  pid?: ProcessNamespace;
  /** What the engine gives by default. */
  ipc?: IpcNamespace;
  ports: readonly PortBinding[];
  mounts: readonly Mount[];
  /** `name[:ro]` of other containers. */
  volumesFrom: readonly string[];
  /** `container:alias`. */
  links: readonly string[];
  /** The control group of the task as a whole, as the engine takes it. */
  cgroupParent?: string;
  cpuShares: number;
  memoryBytes?: number;
  memoryReservationBytes?: number;
  /** Memory and swap together. */
  memorySwapBytes?: number;
  /** 0-100. */
  memorySwappiness?: number;
  devices?: readonly DeviceMapping[];
  /** Whole devices, by their ids. */
  gpuIds?: readonly string[];
  privileged: boolean;
  readonlyRootFilesystem: boolean;
  tty: boolean;
  openStdin: boolean;
  init: boolean;
  capAdd: readonly string[];
  capDrop: readonly string[];
  dnsServers: readonly string[];
  dnsSearchDomains: readonly string[];
  extraHosts: readonly string[];
  securityOptions: readonly string[];
  ulimits: readonly { name: string; soft: number; hard: number }[];
  sysctls: Readonly<Record<string, string>>;
  sharedMemoryBytes?: number;
  logDriver?: string;
  logOptions: Readonly<Record<string, string>>;
  /** `'none'` switches the image's own HEALTHCHECK off, as ECS does when the definition has none. */
  healthCheck: HealthCheckSpec | 'none';
}

/** The address of a container on one network of the engine. */
export interface NetworkAddress {
  /** The engine's name of the network. */
  network: string;
  ipv4Address: string;
  /** Bits of the subnet. */
  prefixLength: number;
  gateway?: string;
  macAddress: string;
}

/** What the engine says about a container. Times are epoch milliseconds. */
export interface ContainerObservation {
  id: string;
  name: string;
  labels: Readonly<Record<string, string>>;
  state: 'created' | 'running' | 'exited' | 'dead' | 'paused' | 'restarting' | 'removing';
  /** Only meaningful when it is not running. */
  exitCode?: number;
  /**
   * Trust it only together with a state that is not running, and do not trust its absence: an engine that hears of the kill after the end
   * does not note it any more.
   */
  oomKilled: boolean;
  /** Of its first process on the engine's machine, while it runs. */
  pid?: number;
  /** The engine's own error for a failed start. */
  error?: string;
  createdAt: number;
  startedAt?: number;
  /** What it wrote last, when it failed by itself. Not of the inspection: the task's runner adds it. */
  lastOutput?: readonly string[];
  /** Of the last run, once that has ended; never before `startedAt`. */
  finishedAt?: number;
  health: HealthStatus;
  imageId: string;
  networkBindings: readonly NetworkBinding[];
  /** Absent when it has none, for instance because it does not run or shares the network of another one. */
  addresses?: readonly NetworkAddress[];
  /** Volumes and host paths as the container has them; absent when it has none. `volume` is the engine's name of a volume. */
  mountedAt?: readonly { volume?: string; source: string; target: string }[];
  /** The newest run of its health check. */
  lastHealthCheck?: { exitCode: number; output: string };
}

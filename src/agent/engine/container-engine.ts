/**
 * The engine's port. Invariants every implementation keeps (contract suite: test/contract/engine):
 * - `inspect` and friends answer `undefined` only on the engine's definite "no such thing"; "could not look" is always an EngineError.
 * - start of a running, stop of a stopped and remove of a missing container succeed: already done is success.
 * - nothing waits for ever: each call has a deadline (ecs-agent's, see docker-timeouts) and takes an AbortSignal.
 */
import type { ContainerObservation, ContainerSpec } from '../tasks/container-spec.ts';

export type EngineErrorKind =
  /** Nobody answered; of a question, which changes nothing, also: not in time. */
  | 'unreachable'
  /** It was asked to do something, and may have done it. */
  | 'timeout'
  | 'not-found'
  | 'image-not-found'
  | 'name-conflict'
  | 'port-conflict'
  /** Another network has these addresses. */
  | 'address-conflict'
  /** Something else still uses what was to be removed. */
  | 'in-use'
  | 'invalid'
  | 'unauthorized'
  /** There are no credentials for the secret that a container names; found out before the engine is asked. */
  | 'no-credentials'
  | 'rate-limited'
  | 'network'
  | 'wrong-platform'
  | 'disk-full'
  | 'aborted'
  | 'internal';

export class EngineError extends Error {
  readonly kind: EngineErrorKind;
  constructor(kind: EngineErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
    this.kind = kind;
  }
}

/** The engine was not reached, so nothing is known of what was asked: not that it is gone, and not that it failed. */
export function couldNotAsk(error: unknown): boolean {
  return error instanceof EngineError && (error.kind === 'unreachable' || error.kind === 'aborted');
}

export interface EngineDescription {
  /** Product and version, e.g. `20.10.24`. */
  version: string;
  apiVersion: string;
  os: string;
  architecture: string;
  rootDirectory: string;
  storageDriver: string;
  cgroupDriver: string;
  cgroupVersion: '1' | '2';
  logDrivers: readonly string[];
  volumeDrivers: readonly string[];
  /** e.g. `apparmor`, `seccomp`, `selinux`, `rootless`. */
  securityOptions: readonly string[];
}

export interface RegistryCredentials {
  username: string;
  password: string;
  serverAddress?: string;
}

export interface PullProgress {
  /** Bytes over all layers known so far. */
  currentBytes: number;
  totalBytes: number;
  /** The engine's last line, e.g. `Downloading`. */
  status: string;
}

export interface ImageDescription {
  id: string;
  /** `sha256:…` of the manifest in a registry, when it came from one. */
  digest?: string;
  sizeBytes: number;
  createdAt: number;
  labels?: Readonly<Record<string, string>>;
}

export interface ListedContainer {
  id: string;
  name: string;
  imageId: string;
  labels: Readonly<Record<string, string>>;
}

/** An image as the engine lists it. */
export interface ListedImage {
  id: string;
  /** `name:tag`, none when another image has taken its last tag. */
  tags: readonly string[];
  /** `name@sha256:…`, none when it comes from no registry. */
  digests: readonly string[];
  /** What it shares with others included. */
  sizeBytes: number;
  createdAt: number;
}

export type EngineEvent = {
  /** `oom` precedes `die`. `health` carries the new health in `detail`. */
  action:
    | 'create'
    | 'start'
    | 'die'
    | 'oom'
    | 'health'
    | 'destroy'
    | 'stop'
    | 'kill'
    | 'rename'
    | 'restart'
    | 'pause'
    | 'unpause';
  containerId: string;
  containerName: string;
  labels: Readonly<Record<string, string>>;
  exitCode?: number;
  detail?: string;
  /** Epoch milliseconds. */
  at: number;
};

export interface LogEntry {
  stream: 'stdout' | 'stderr';
  /** Epoch milliseconds. */
  at: number;
  text: string;
}

export interface LogRequest {
  follow: boolean;
  /** Only this many lines from the end. */
  tail?: number;
  sinceMs?: number;
  signal: AbortSignal;
}

export interface VolumeSpec {
  name: string;
  driver: string;
  driverOptions: Readonly<Record<string, string>>;
  labels: Readonly<Record<string, string>>;
}

export interface CallOptions {
  signal?: AbortSignal;
}

export interface ContainerEngine {
  ping(options?: CallOptions): Promise<void>;
  describe(options?: CallOptions): Promise<EngineDescription>;
  inspectImage(reference: string, options?: CallOptions): Promise<ImageDescription | undefined>;
  /** All that have a name or are used on their own; layers in between are not listed. */
  listImages(options?: CallOptions): Promise<ListedImage[]>;
  /**
   * Removes the name (tag, digest or id); the image too when it was its last name. Already gone is success; `in-use` when it is the last
   * name of an image that a container has, running or not.
   */
  removeImage(reference: string, options?: CallOptions): Promise<void>;
  pull(
    reference: string,
    options: { credentials?: RegistryCredentials; onProgress?: (progress: PullProgress) => void; signal?: AbortSignal },
  ): Promise<void>;
  /** Fails with `name-conflict` when the name is taken, `image-not-found` when the image is not there. */
  create(spec: ContainerSpec, options?: CallOptions): Promise<string>;
  start(idOrName: string, options?: CallOptions): Promise<void>;
  /** Sends the image's STOPSIGNAL (else SIGTERM), after `timeoutSeconds` SIGKILL; resolves when it has ended. */
  stop(idOrName: string, options: { timeoutSeconds: number; signal?: AbortSignal }): Promise<void>;
  kill(idOrName: string, signalName: string, options?: CallOptions): Promise<void>;
  /** Removes it with its anonymous volumes, by force when it runs. */
  remove(idOrName: string, options?: CallOptions): Promise<void>;
  inspect(idOrName: string, options?: CallOptions): Promise<ContainerObservation | undefined>;
  /** All containers, running or not, that carry the labels (value `''`: any value). */
  list(labels: Readonly<Record<string, string>>, options?: CallOptions): Promise<ListedContainer[]>;
  /** Live events of containers that carry the label keys. Resolves once the stream stands; ends by throwing (lost) or when `signal` aborts. */
  events(options: {
    labelKeys: readonly string[];
    sinceMs?: number;
    signal: AbortSignal;
  }): Promise<AsyncIterable<EngineEvent>>;
  logs(idOrName: string, request: LogRequest): AsyncIterable<LogEntry>;
  createVolume(spec: VolumeSpec, options?: CallOptions): Promise<void>;
  inspectVolume(
    name: string,
    options?: CallOptions,
  ): Promise<{ name: string; driver: string; labels: Readonly<Record<string, string>> } | undefined>;
  removeVolume(name: string, options?: CallOptions): Promise<void>;
}

/**
 * A container engine in memory, on any Clock, that keeps the port's contract (test/contract/engine) and does harm on demand: calls that
 * fail, hang, or break after they took effect; an engine that goes down and comes back with or without live-restore; containers that
 * die. Deterministic: same Clock, same Random, same calls, same answers.
 */
import {
  EngineError,
  type CallOptions,
  type ContainerEngine,
  type EngineDescription,
  type EngineErrorKind,
  type EngineEvent,
  type ImageDescription,
  type ListedContainer,
  type ListedImage,
  type LogEntry,
  type LogRequest,
  type VolumeSpec,
} from '#agent/engine/container-engine.ts';
import type { EngineExec, ExecSpec } from '#agent/engine/engine-exec.ts';
import { defaultTimeouts } from '#agent/engine/docker-timeouts.ts';
import type { ContainerObservation, ContainerSpec } from '#agent/tasks/container-spec.ts';
import type { Clock, Timer } from '#lib/clock.ts';
import { seededIds, type Ids } from '#lib/ids.ts';
import { int, type Random } from '#lib/random.ts';
import type { TransportProtocol } from '#model/resources.ts';
import { behaviourOf, type Behaviour } from './container-programs.ts';
import { Broadcast } from './broadcast.ts';
import { FakeContainer } from './fake-container.ts';
import type { FakeExec } from './fake-exec.ts';
import { FakeImages, type FakeImage } from './fake-images.ts';

export type EngineCall = Exclude<keyof (ContainerEngine & EngineExec), 'events' | 'logs'>;

/** Milliseconds, or from-to. */
export type Latency = number | readonly [min: number, max: number];

export interface FakeEngineOptions {
  clock: Clock;
  random: Random;
  /** None by default: calls answer without time passing. */
  latency?: Partial<Record<EngineCall, Latency>>;
  /** Decides before the image's behaviour and the known programs. */
  behave?: (spec: ContainerSpec) => Behaviour | undefined;
}

export interface Fault {
  kind: EngineErrorKind | 'hang';
  message?: string;
  /** 1 by default. */
  times?: number;
  /** The call does its work before it fails, as when the connection breaks before the answer. */
  afterEffect?: boolean;
}

/** A Docker engine remembers as many. */
const rememberedEvents = 256;
const firstDynamicPort = 32_768;
const killedExitCode = 137;

interface CallUnderWay {
  breakOff(error: Error): void;
  wait: Timer | undefined;
}

export class FakeEngine implements ContainerEngine, EngineExec {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ids: Ids;
  readonly #options: FakeEngineOptions;
  readonly #images = new FakeImages();
  readonly #containers = new Map<string, FakeContainer>();
  readonly #volumes = new Map<string, VolumeSpec>();
  readonly #takenPorts = new Set<string>();
  readonly #faults = new Map<EngineCall, Fault[]>();
  readonly #events: EngineEvent[] = [];
  readonly #broadcast = new Broadcast<EngineEvent>();
  readonly #underWay = new Set<CallUnderWay>();
  #down = false;
  /** How often each call was made. */
  readonly calls = new Map<EngineCall, number>();
  /** Calls to start a container. */
  startCalls = 0;
  /** Every container ever created, in order: what a test of "no duplicates" counts. */
  readonly created: { id: string; name: string; labels: Readonly<Record<string, string>>; at: number }[] = [];

  constructor(options: FakeEngineOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#ids = seededIds(options.random);
  }

  /** An image on the engine. `digest: undefined` in `description` says that it was built here. */
  addImage(reference: string, behaviour?: Behaviour, description: Partial<ImageDescription> = {}): void {
    this.#images.add(reference, this.#image(behaviour, description));
  }

  /** An image that a pull finds, by its tag or its digest. All others are unknown to the registry. */
  offerAtRegistry(reference: string, digest = `sha256:${this.#ids.hex(64)}`): void {
    this.#images.offer(reference, this.#image(undefined, { digest }));
  }

  /** A port that something outside the engine listens on. */
  takeHostPort(port: number, protocol: TransportProtocol = 'tcp'): void {
    this.#takenPorts.add(`${port}/${protocol}`);
  }

  /** The next calls fail like this, after the faults asked for before. */
  failNext(call: EngineCall, fault: Fault): void {
    const queue = this.#faults.get(call) ?? [];
    for (let n = 0; n < (fault.times ?? 1); n++) queue.push(fault);
    this.#faults.set(call, queue);
  }

  /** A container ends by itself, as if its process had exited. */
  exit(idOrName: string, exitCode: number): void {
    this.#find(idOrName)?.end(exitCode);
  }

  /** A command ends, as by SIGKILL. */
  endExec(pid: number): void {
    for (const { execs } of this.#containers.values()) execs.find((exec) => exec.pid === pid)?.end(killedExitCode);
  }

  setHealth(idOrName: string, health: 'HEALTHY' | 'UNHEALTHY'): void {
    this.#find(idOrName)?.setHealth(health);
  }

  /** kill -9 of the engine: every call and stream breaks, containers go on. */
  goDown(): void {
    if (this.#down) return;
    this.#down = true;
    for (const { breakOff } of this.#underWay) breakOff(this.#unreachable());
    this.#broadcast.fail(this.#unreachable());
    for (const container of this.#containers.values()) container.output.fail(this.#unreachable());
  }

  /** Without live-restore an engine kills the survivors when it starts again. */
  comeBack({ liveRestore }: { liveRestore: boolean }): void {
    if (!this.#down) return;
    if (!liveRestore) for (const container of this.#containers.values()) container.end(killedExitCode);
    this.#down = false;
  }

  /** What is there, without a call. */
  containers(): ContainerObservation[] {
    return [...this.#containers.values()].map((container) => container.observe());
  }

  specOf(idOrName: string): ContainerSpec | undefined {
    return this.#find(idOrName)?.spec;
  }

  volumes(): string[] {
    return [...this.#volumes.keys()];
  }

  ping(options?: CallOptions): Promise<void> {
    return this.#call('ping', options, () => undefined);
  }

  describe(options?: CallOptions): Promise<EngineDescription> {
    return this.#call('describe', options, () => fakeDescription);
  }

  inspectImage(reference: string, options?: CallOptions): Promise<ImageDescription | undefined> {
    return this.#call('inspectImage', options, () => this.#images.find(reference)?.description);
  }

  listImages(options?: CallOptions): Promise<ListedImage[]> {
    return this.#call('listImages', options, () => this.#images.list());
  }

  removeImage(reference: string, options?: CallOptions): Promise<void> {
    return this.#call('removeImage', options, () => {
      const containers = [...this.#containers.values()];
      this.#images.remove(reference, (imageId) => containers.find((container) => container.imageId === imageId)?.id);
    });
  }

  pull(reference: string, options: Parameters<ContainerEngine['pull']>[1]): Promise<void> {
    return this.#call('pull', options, () => {
      const { sizeBytes } = this.#images.pull(reference).description;
      options.onProgress?.({ currentBytes: sizeBytes, totalBytes: sizeBytes, status: 'Pull complete' });
    });
  }

  create(spec: ContainerSpec, options?: CallOptions): Promise<string> {
    return this.#call('create', options, () => {
      const image = this.#images.find(spec.image);
      if (image === undefined) throw new EngineError('image-not-found', `No such image: ${spec.image}`);
      const holder = this.#find(spec.name);
      if (holder !== undefined) {
        const words = `Conflict. The container name "/${spec.name}" is already in use by container "${holder.id}".`;
        throw new EngineError('name-conflict', words);
      }
      const named = [...spec.links, ...spec.volumesFrom].map((text) => text.split(':')[0] ?? '');
      for (const other of [...named, ...namespaceHolders(spec)]) {
        if (this.#find(other) === undefined) throw new EngineError('not-found', `No such container: ${other}`);
      }
      return this.#add(spec, image);
    });
  }

  start(idOrName: string, options?: CallOptions): Promise<void> {
    return this.#call('start', options, () => {
      const container = this.#find(idOrName);
      if (container === undefined) throw new EngineError('not-found', `No such container: ${idOrName}`);
      for (const holder of namespaceHolders(container.spec)) {
        if (this.#find(holder)?.running !== true) {
          throw new EngineError('in-use', `cannot join network of a non running container: ${holder}`);
        }
      }
      container.start();
    });
  }

  stop(idOrName: string, options: { timeoutSeconds: number; signal?: AbortSignal }): Promise<void> {
    return this.#call('stop', options, async () => {
      const container = this.#find(idOrName);
      if (container === undefined || !container.running) return;
      await container.stop(options.timeoutSeconds * 1000);
    });
  }

  kill(idOrName: string, signalName: string, options?: CallOptions): Promise<void> {
    return this.#call('kill', options, () => this.#find(idOrName)?.signal(signalName));
  }

  remove(idOrName: string, options?: CallOptions): Promise<void> {
    return this.#call('remove', options, () => {
      const container = this.#find(idOrName);
      if (container === undefined) return;
      container.end(killedExitCode);
      this.#containers.delete(container.id);
      container.tell('destroy');
    });
  }

  inspect(idOrName: string, options?: CallOptions): Promise<ContainerObservation | undefined> {
    return this.#call('inspect', options, () => this.#find(idOrName)?.observe());
  }

  list(labels: Readonly<Record<string, string>>, options?: CallOptions): Promise<ListedContainer[]> {
    return this.#call('list', options, () =>
      [...this.#containers.values()]
        .filter(({ spec }) =>
          Object.entries(labels).every(
            ([key, value]) => key in spec.labels && (value === '' || spec.labels[key] === value),
          ),
        )
        .map(({ id, spec, imageId }) => ({ id, name: spec.name, imageId, labels: spec.labels })),
    );
  }

  async events(options: {
    labelKeys: readonly string[];
    sinceMs?: number;
    signal: AbortSignal;
  }): Promise<AsyncIterable<EngineEvent>> {
    if (this.#down) throw this.#unreachable();
    const { labelKeys, sinceMs = Infinity, signal } = options;
    const missed = this.#events.filter((event) => event.at >= sinceMs);
    const wanted = (event: EngineEvent): boolean => labelKeys.every((key) => key in event.labels);
    return this.#broadcast.subscribe({ first: missed.filter(wanted), wanted, signal });
  }

  async *logs(idOrName: string, { follow, tail, sinceMs = 0, signal }: LogRequest): AsyncGenerator<LogEntry> {
    if (this.#down) throw this.#unreachable();
    const container = this.#find(idOrName);
    if (container === undefined) throw new EngineError('not-found', `No such container: ${idOrName}`);
    const wanted = (entry: LogEntry): boolean => entry.at >= sinceMs;
    const written = container.written.filter(wanted);
    const first = tail === undefined ? written : tail === 0 ? [] : written.slice(-tail);
    if (follow && container.running) yield* container.output.subscribe({ first, wanted, signal });
    else yield* first;
  }

  exec(idOrName: string, spec: ExecSpec, options?: CallOptions): Promise<FakeExec> {
    return this.#call('exec', options, () => {
      const container = this.#find(idOrName);
      if (container === undefined) throw new EngineError('not-found', `No such container: ${idOrName}`);
      return container.exec(spec);
    });
  }

  execPids(idOrName: string, options?: CallOptions): Promise<number[]> {
    return this.#call('execPids', options, () => this.#find(idOrName)?.execs.map(({ pid }) => pid) ?? []);
  }

  createVolume(spec: VolumeSpec, options?: CallOptions): Promise<void> {
    return this.#call('createVolume', options, () => {
      if (!this.#volumes.has(spec.name)) this.#volumes.set(spec.name, spec);
    });
  }

  inspectVolume(
    name: string,
    options?: CallOptions,
  ): Promise<{ name: string; driver: string; labels: Readonly<Record<string, string>> } | undefined> {
    return this.#call('inspectVolume', options, () => {
      const volume = this.#volumes.get(name);
      return volume && { name, driver: volume.driver, labels: volume.labels };
    });
  }

  removeVolume(name: string, options?: CallOptions): Promise<void> {
    return this.#call('removeVolume', options, () => {
      const user = [...this.#containers.values()].find(({ spec }) =>
        spec.mounts.some((mount) => mount.source === name),
      );
      if (user !== undefined) throw new EngineError('in-use', `remove ${name}: volume is in use - [${user.id}]`);
      this.#volumes.delete(name);
    });
  }

  async #call<T>(name: EngineCall, options: CallOptions | undefined, effect: () => T | Promise<T>): Promise<T> {
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
    if (name === 'start') this.startCalls += 1;
    const signal = options?.signal;
    if (this.#down) throw this.#unreachable();
    if (signal?.aborted) throw new EngineError('aborted', `${name} was called off`);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const call: CallUnderWay = { breakOff: reject, wait: undefined };
    const onAbort = (): void => reject(new EngineError('aborted', `${name} was called off`));
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#underWay.add(call);
    this.#work(name, effect, call).then(resolve, reject);
    try {
      return await promise;
    } finally {
      this.#underWay.delete(call);
      call.wait?.cancel();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async #work<T>(name: EngineCall, effect: () => T | Promise<T>, call: CallUnderWay): Promise<T> {
    const fault = this.#faults.get(name)?.shift();
    if (fault !== undefined && fault.afterEffect !== true) throw await this.#fault(name, fault, call);
    const latency = this.#options.latency?.[name];
    if (latency !== undefined) {
      await this.#wait(typeof latency === 'number' ? latency : int(this.#random, ...latency), call);
    }
    const result = await effect();
    if (fault !== undefined) throw await this.#fault(name, fault, call);
    return result;
  }

  async #fault(name: EngineCall, { kind, message }: Fault, call: CallUnderWay): Promise<EngineError> {
    if (kind !== 'hang') return new EngineError(kind, message ?? `${name} fails on demand`);
    const ms = name === 'create' ? defaultTimeouts.createMs : defaultTimeouts.inspectMs;
    await this.#wait(ms, call);
    const isQuestion = /^(ping|describe|inspect|list|events)/.test(name);
    return new EngineError(isQuestion ? 'unreachable' : 'timeout', `${name} took longer than ${ms / 1000} s`);
  }

  /** For ever, when the call is broken off meanwhile. */
  #wait(ms: number, call: CallUnderWay): Promise<void> {
    return new Promise((resolve) => {
      call.wait = this.#clock.after(ms, resolve);
    });
  }

  #add(spec: ContainerSpec, image: FakeImage): string {
    const id = this.#ids.hex(64);
    const behaviour = this.#options.behave?.(spec) ?? behaviourOf(spec.command) ?? image.behaviour ?? {};
    const container = new FakeContainer({
      id,
      spec,
      behaviour,
      clock: this.#clock,
      imageId: image.description.id,
      bindPorts: () => this.#bindPorts(spec),
      announce: (event) => this.#announce(event),
    });
    this.#containers.set(id, container);
    for (const { kind, source } of spec.mounts) {
      if (kind !== 'volume' || source === undefined || this.#volumes.has(source)) continue;
      this.#volumes.set(source, { name: source, driver: 'local', driverOptions: {}, labels: {} });
    }
    this.created.push({ id, name: spec.name, labels: spec.labels, at: this.#clock.now() });
    container.tell('create');
    return id;
  }

  #bindPorts({ ports, network }: ContainerSpec): ContainerObservation['networkBindings'] {
    if (network !== 'bridge') return [];
    const taken = new Set(this.#takenPorts);
    for (const container of this.#containers.values()) {
      for (const { hostPort, protocol } of container.bindings) taken.add(`${hostPort}/${protocol}`);
    }
    const inOrder = ports.toSorted((a, b) => a.containerPort - b.containerPort);
    return inOrder.map(({ containerPort, protocol, hostPort }) => {
      let port = hostPort === 0 ? firstDynamicPort : hostPort;
      while (hostPort === 0 && taken.has(`${port}/${protocol}`)) port++;
      if (taken.has(`${port}/${protocol}`)) {
        throw new EngineError('port-conflict', `Bind for 0.0.0.0:${port} failed: port is already allocated`);
      }
      taken.add(`${port}/${protocol}`);
      return { bindIP: '0.0.0.0', containerPort, hostPort: port, protocol };
    });
  }

  #announce(event: EngineEvent): void {
    if (this.#down) return;
    this.#events.push(event);
    if (this.#events.length > rememberedEvents) this.#events.shift();
    this.#broadcast.send(event);
  }

  #find(idOrName: string): FakeContainer | undefined {
    const byId = this.#containers.get(idOrName);
    if (byId !== undefined) return byId;
    for (const container of this.#containers.values()) if (container.spec.name === idOrName) return container;
    return undefined;
  }

  #image(behaviour: Behaviour | undefined, description: Partial<ImageDescription>): FakeImage {
    const made = { id: `sha256:${this.#ids.hex(64)}`, sizeBytes: 1_000_000, createdAt: this.#clock.now() };
    return { description: { ...made, ...description }, ...(behaviour !== undefined && { behaviour }) };
  }

  #unreachable(): EngineError {
    return new EngineError('unreachable', 'the engine at fake:// does not answer: it is down');
  }
}

export const fakeDescription: EngineDescription = {
  version: '20.10.24',
  apiVersion: '1.41',
  os: 'linux',
  architecture: 'amd64',
  rootDirectory: '/var/lib/docker',
  storageDriver: 'overlay2',
  cgroupDriver: 'systemd',
  cgroupVersion: '2',
  logDrivers: ['fluentd', 'gelf', 'journald', 'json-file', 'local', 'splunk', 'syslog'],
  volumeDrivers: ['local'],
  securityOptions: ['apparmor', 'seccomp'],
};

/** The containers whose namespaces it joins, once each. */
function namespaceHolders({ network, pid, ipc }: ContainerSpec): string[] {
  const joined = [network, pid, ipc].flatMap((choice) =>
    typeof choice === 'object' && 'container' in choice ? [choice.container] : [],
  );
  return [...new Set(joined)];
}

/**
 * A machine of the simulation: a fake engine and a disk that outlive the agent, and the real agent on top. The agent can be killed at any moment,
 * also between two lines of its own (right before or after a write to its journal), stopped in order, and started again; the disk can be lost; the
 * engine can hang, go away and come back.
 */
import { createAgent, type Agent } from '#agent/agent.ts';
import { EngineError, type ContainerEngine } from '#agent/engine/container-engine.ts';
import { createImages } from '#agent/engine/images.ts';
import { openJournal, type Journal } from '#agent/state/journal.ts';
import type { Connector } from '#agent/session/connector.ts';
import type { HostFacts } from '#agent/session/handshake.ts';
import type { ContainerSpec } from '#agent/tasks/container-spec.ts';
import type { Clock } from '#lib/clock.ts';
import { silentLogger } from '#lib/logger.ts';
import { loggerOfErrors } from './logger-of-errors.ts';
import { createMemoryJournal } from './memory-journal.ts';
import { int, type Random } from '#lib/random.ts';
import { capability, dockerRemoteApiCapabilities } from '#model/capabilities.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import { FakeEngine } from './fake-engine.ts';
import type { Behaviour } from './container-programs.ts';
import { SimulatedProcess, type WallClock } from './simulated-process.ts';

/** What the registry answers instead of images, for a while. */
export type RegistryTrouble = 'image-not-found' | 'rate-limited' | 'network' | 'slow';

/** The one registry of all machines. */
export interface SimulatedRegistry {
  trouble: RegistryTrouble | undefined;
}

export interface SimulatedHostOptions {
  readonly name: string;
  readonly registry: SimulatedRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly cpu: number;
  readonly memoryMiB: number;
  /** By name, e.g. `ecs.availability-zone`. */
  readonly attributes?: Readonly<Record<string, string>>;
  behave(spec: ContainerSpec): Behaviour;
  connectorOf(process: SimulatedProcess): Connector;
  readonly cleanupWaitMs: number;
  /** SQLite is the real one, memory many times as fast. */
  readonly journal: 'sqlite' | 'memory';
  /** An agent logs an error. */
  onError(fields: object, message: string): void;
  /** What a sabotaged agent works with instead. */
  readonly wrapEngine?: ((engine: ContainerEngine) => ContainerEngine) | undefined;
  readonly wrapJournal?: ((journal: Journal) => Journal) | undefined;
}

/** ecs-agent's deadline for an inspection; a hung engine is noticed after it. */
const hungCallMs = 30_000;

const journalWrites: ReadonlySet<keyof Journal> = new Set<keyof Journal>([
  'saveTask',
  'forgetTask',
  'saveRegistration',
  'saveAssignments',
  'confirmStops',
  'acknowledge',
  'compareStateChanges',
]);

const latency = {
  create: [20, 400],
  start: [20, 600],
  pull: [100, 20_000],
  inspect: [1, 30],
  stop: [5, 50],
  remove: [5, 100],
} as const;

export class SimulatedHost {
  readonly name: string;
  readonly machineId: string;
  readonly engine: FakeEngine;
  readonly wall: WallClock = { offsetMs: 0 };
  journal: Journal;
  /** Incremented at each start of the agent. */
  starts = 0;
  engineHangs = false;
  /** Above 0 every call takes up to so long. */
  engineDelayMs = 0;
  /** No write to the journal succeeds. */
  diskFull = false;
  /** As the machine calls itself; the simulation knows it by `name`. */
  hostname: string;
  /** Of all agents so far. */
  journalWrites = 0;
  readonly #options: SimulatedHostOptions;
  readonly #hostClock: Clock;
  #process: SimulatedProcess | undefined;
  #agent: Agent | undefined;
  #crashInJournal: { moment: 'before' | 'after'; left: number } | undefined;

  constructor(options: SimulatedHostOptions) {
    this.#options = options;
    this.name = options.name;
    this.hostname = options.name;
    const outlives = this.#newProcess('engine');
    this.#hostClock = outlives.clock;
    this.machineId = outlives.ids.uuid();
    const { random } = outlives;
    this.engine = new FakeEngine({ clock: this.#hostClock, random, latency, behave: options.behave });
    this.journal = this.#blankJournal();
  }

  get process(): SimulatedProcess | undefined {
    return this.#process?.alive === true ? this.#process : undefined;
  }

  get agent(): Agent | undefined {
    return this.process === undefined ? undefined : this.#agent;
  }

  /** The row of this machine that is not INACTIVE. */
  registration(instances: ReadonlyMap<string, ContainerInstance>): ContainerInstance | undefined {
    for (const each of instances.values()) {
      if (each.machineId === this.machineId && each.status !== 'INACTIVE') return each;
    }
    return undefined;
  }

  /** By the machine's own clock, which may be wrong. */
  now(): number {
    return this.#hostClock.now();
  }

  start(): void {
    if (this.process !== undefined) return;
    this.starts += 1;
    const process = this.#newProcess(`agent#${this.starts}`);
    const { clock, ids, random } = process;
    const { wrapEngine = same, wrapJournal = same, cleanupWaitMs, onError } = this.#options;
    const engine = wrapEngine(this.#engineFor(process));
    const journal = wrapJournal(this.#journalFor(process));
    this.#process = process;
    this.#agent = createAgent({
      engine,
      execEngine: this.engine,
      images: createImages({ engine, clock, random, behaviour: 'default' }),
      journal,
      connect: this.#options.connectorOf(process),
      host: async () => {
        const { version } = await engine.describe();
        return this.#facts(version);
      },
      // The daemon ends and is not started again; the machine's owner has to act.
      refused: () => undefined,
      clock,
      ids,
      random,
      logger: loggerOfErrors((fields, message) => void (process.alive && onError(fields, message))),
      config: { cluster: 'default', engineConcurrency: 4, defaultStopTimeout: 30, cleanupWaitMs },
    });
    this.#agent.start();
  }

  /** kill -9 of the agent. */
  kill(): void {
    this.#process?.kill();
  }

  /** The order of an upgrade: the agent ends its work, then its process. */
  async stopInOrder(): Promise<void> {
    const process = this.process;
    if (process === undefined || this.#agent === undefined) return;
    await this.#agent.stop();
    process.kill();
  }

  /** Kills the agent at the `nth` next write to its journal. */
  planCrashInJournal(moment: 'before' | 'after', nth: number): void {
    this.#crashInJournal = { moment, left: nth };
  }

  forgetPlans(): void {
    this.#crashInJournal = undefined;
  }

  /** The journal is gone, or damaged and put aside; the machine's identity, in a file of its own, is not. Only while no agent runs. */
  loseJournal(): void {
    this.journal = { ...this.#blankJournal(), isRebuilt: true };
  }

  #newProcess(what: string): SimulatedProcess {
    const { clock, random, name } = this.#options;
    const seed = Math.floor(random.next() * 2 ** 32);
    return new SimulatedProcess({ name: `${what}@${name}`, clock, wall: this.wall, seed });
  }

  #blankJournal(): Journal {
    if (this.#options.journal === 'memory') return createMemoryJournal(this.machineId);
    return openJournal({ path: ':memory:', machineId: this.machineId, logger: silentLogger, now: 0 });
  }

  #facts(engineVersion: string): HostFacts {
    const { name, cpu, memoryMiB, attributes = {} } = this.#options;
    const capabilities = [
      capability.containerHealthCheck,
      capability.containerOrdering,
      capability.containerRestartPolicy,
      capability.prepull,
      capability.taskCpuMemoryLimit,
      ...dockerRemoteApiCapabilities('1.41'),
    ];
    return {
      hostname: this.hostname,
      fingerprint: `fingerprint-of-${name}`,
      versions: { agent: '0.1.0', docker: engineVersion },
      resources: { cpu, memoryMiB, takenPorts: [{ port: 22, protocol: 'tcp' }], gpuIds: [] },
      attributes: [
        { name: 'ecs.os-type', value: 'linux' },
        ...Object.entries(attributes).map(([attribute, value]) => ({ name: attribute, value })),
        ...capabilities.map((each) => ({ name: each })),
      ],
      tags: [],
    };
  }

  /** The engine as one agent process reaches it: its answers never reach the dead, and a hung or slow engine lets everybody wait. */
  #engineFor(process: SimulatedProcess): ContainerEngine {
    const { engine } = this;
    const ask = <T>(name: string, call: () => Promise<T>): Promise<T> =>
      process.hears(async () => {
        if (this.engineHangs) {
          await this.#hostClock.sleep(hungCallMs);
          const kind = /^(ping|describe|inspect|list|events)/.test(name) ? 'unreachable' : 'timeout';
          throw new EngineError(kind, `the engine did not answer within ${hungCallMs / 1000} s`);
        }
        if (this.engineDelayMs > 0) await this.#hostClock.sleep(int(this.#options.random, 1, this.engineDelayMs));
        if (name === 'pull') await this.#askRegistry();
        return call();
      });
    const events: ContainerEngine['events'] = async (options) =>
      whileAlive(process, await ask('events', () => engine.events(options)));
    return new Proxy(engine, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (name === 'events' || typeof member !== 'function') return name === 'events' ? events : member;
        const call = (...args: unknown[]): unknown => Reflect.apply(member, target, args);
        return name === 'logs' ? call : (...args: unknown[]) => ask(String(name), async () => call(...args));
      },
    });
  }

  async #askRegistry(): Promise<void> {
    const { registry, random } = this.#options;
    const { trouble } = registry;
    if (trouble === undefined) return;
    await this.#hostClock.sleep(trouble === 'slow' ? int(random, 20_000, 120_000) : int(random, 50, 2000));
    if (trouble !== 'slow') throw new EngineError(trouble, `the registry says ${trouble}`);
  }

  /** The journal as one agent process has it: shut to the dead, told to nobody but the living, with a crash around a write when one is planned. */
  #journalFor(process: SimulatedProcess): Journal {
    const { journal } = this;
    const around = <Args extends unknown[], T>(name: keyof Journal, method: (...args: Args) => T) => {
      const writes = journalWrites.has(name);
      return (...args: Args): T => {
        process.check();
        if (writes && this.diskFull) throw new Error('database or disk is full');
        if (writes) this.#crashIfPlanned(process, 'before');
        const result = method(...args);
        if (writes) this.journalWrites += 1;
        if (writes) this.#crashIfPlanned(process, 'after');
        return result;
      };
    };
    return {
      ...journal,
      subscribe(listener) {
        const unsubscribe = journal.subscribe(listener);
        process.onKill(unsubscribe);
        return unsubscribe;
      },
      tasks: around('tasks', journal.tasks),
      saveTask: around('saveTask', journal.saveTask),
      lastSnapshot: around('lastSnapshot', journal.lastSnapshot),
      isAcknowledged: around('isAcknowledged', journal.isAcknowledged),
      forgetTask: around('forgetTask', journal.forgetTask),
      close: () => undefined,
      identity: around('identity', journal.identity),
      saveRegistration: around('saveRegistration', journal.saveRegistration),
      assignmentNumber: around('assignmentNumber', journal.assignmentNumber),
      knownTasks: around('knownTasks', journal.knownTasks),
      saveAssignments: around('saveAssignments', journal.saveAssignments),
      confirmStops: around('confirmStops', journal.confirmStops),
      pendingStateChanges: around('pendingStateChanges', journal.pendingStateChanges),
      acknowledge: around('acknowledge', journal.acknowledge),
      compareStateChanges: around('compareStateChanges', journal.compareStateChanges),
    };
  }

  #crashIfPlanned(process: SimulatedProcess, moment: 'before' | 'after'): void {
    const plan = this.#crashInJournal;
    if (plan?.moment !== moment) return;
    plan.left -= 1;
    if (plan.left > 0) return;
    this.#crashInJournal = undefined;
    process.kill();
    process.check();
  }
}

function same<T>(value: T): T {
  return value;
}

async function* whileAlive<T>(process: SimulatedProcess, stream: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const value of stream) {
    if (!process.alive) return;
    if (process.paused) await process.hears(() => Promise.resolve());
    yield value;
  }
}

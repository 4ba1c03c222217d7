/**
 * The system under simulation: one database, one control at a time, the machines and the network between them, all on one manual clock, and what is
 * remembered of it for the checks. After every step everything that was committed is mirrored and held against the invariants.
 */
import type { Dispatcher } from '#control/api/dispatch.ts';
import type { ContainerEngine } from '#agent/engine/container-engine.ts';
import type { KnownTask } from '#agent/session/session-state.ts';
import type { Journal } from '#agent/state/journal.ts';
import type { ChangeSet, Store } from '#control/store/store.ts';
import { int, pick, seededRandom, type Random } from '#lib/random.ts';
import { instanceGroupAttribute } from '#model/capacity-provider.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import { ManualClock } from '#test/support/manual-clock.ts';
import { SimulatedControl, type CallOutcome } from '#test/support/simulated-control.ts';
import { SimulatedHost, type SimulatedRegistry } from '#test/support/simulated-host.ts';
import { createSimulatedNetwork, type Delivery, type SimulatedNetwork } from '#test/support/simulated-network.ts';
import type { SimulatedProcess } from '#test/support/simulated-process.ts';
import { createSimulatedDatabase, type SimulatedDatabase } from '#test/support/simulated-store.ts';
import { Checks } from './checks.ts';
import type { WorldBackup } from './faults.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createMirror, type Mirror } from './mirror.ts';
import { planOf, type Plan } from './plan.ts';
import { behaviourOfImage, offeredImages } from './programs.ts';
import { instanceGroups } from './capacity-moves.ts';
import { createTrace, type Trace } from './trace.ts';
import { describeCall, describeDelivery } from './trace-messages.ts';
import { Violation } from './violation.ts';

/** A decision or a promise that is broken on purpose, to see that the checks find it. */
export interface Sabotage {
  readonly name: string;
  store?(store: Store, process: SimulatedProcess, random: Random): Store;
  dispatcher?(dispatcher: Dispatcher, random: Random): Dispatcher;
  engine?(engine: ContainerEngine, random: Random): ContainerEngine;
  journal?(journal: Journal, random: Random): Journal;
}

export interface WorldOptions {
  readonly seed: number;
  readonly sabotage?: Sabotage | undefined;
  readonly keepTrace: boolean;
}

const second = 1000;
const config = { lostAfterMs: 60 * second, stoppedTaskRetentionMs: 24 * 3600 * second };
const cleanupWaitMs = 180 * second;

/** Timers that run at one moment, for each machine; more of them are a loop. */
const mostStepsAtOnce = 5000;
const mostCommitsAtOnce = 20_000;

interface WorldParts {
  readonly random: Random;
  readonly plan: Plan;
  readonly mirror: Mirror;
  readonly database: SimulatedDatabase;
}

export class World {
  /** Nothing but promises goes on between two timers. */
  readonly clock = new ManualClock(undefined, { settleRounds: 1 });
  readonly random: Random;
  readonly plan: Plan;
  readonly trace: Trace;
  readonly ledger: Ledger = createLedger();
  readonly checks: Checks;
  readonly control: SimulatedControl;
  readonly network: SimulatedNetwork;
  readonly database: SimulatedDatabase;
  readonly registry: SimulatedRegistry = { trouble: undefined };
  /** What some containers cannot do without. */
  readonly dependency = { gone: false };
  hosts: SimulatedHost[] = [];
  steps = 0;
  calls = 0;
  /** By ARN: what a revision says never changes. */
  readonly definitions = new Map<string, TaskDefinition>();
  /** Tasks that were to run, and that a restored database does not know any more. */
  readonly forgotten = new Set<string>();
  /** Those, tasks that were on their way out, and such as the database took for ended while they ran on a machine. */
  readonly unknown = new Set<string>();
  /** By the name of a machine: the tasks of it that control had forgotten and that had no container when the owner looked last. */
  readonly waitingForgotten = new Map<string, ReadonlySet<string>>();
  /** Names of machines whose agents were told that they are deregistered: they stay away until somebody restarts them. */
  readonly turnedAway = new Set<string>();
  /** Once true, containers live as long as they are wanted, and nothing new breaks. */
  calm = false;
  readonly #mirror: Mirror;
  readonly #sabotage: Sabotage | undefined;
  #hostsMade = 0;
  #stepsAtOnce = 0;
  #commitsAtOnce = 0;

  static async create(options: WorldOptions): Promise<World> {
    const random = seededRandom(options.seed);
    const plan = planOf(branch(random));
    const mirror = createMirror();
    let committed: () => void = () => undefined;
    const database = await createSimulatedDatabase({
      kind: plan.database,
      onCommit(process, announced: ChangeSet | undefined) {
        if (announced === undefined && process !== undefined) mirror.note(undefined);
        if (announced !== undefined) mirror.note(announced);
        committed();
      },
    });
    const world = new World(options, { random, plan, mirror, database });
    committed = () => world.#committed();
    return world;
  }

  /** What writes without end and without waiting would never let the step end. */
  #committed(): void {
    this.checks.commits += 1;
    this.#commitsAtOnce += 1;
    if (this.#commitsAtOnce !== mostCommitsAtOnce) return;
    this.checks.fail(new Violation('I12', `something spins: ${mostCommitsAtOnce} commits in one step`));
    this.control.kill();
  }

  private constructor({ sabotage, keepTrace }: WorldOptions, { random, plan, mirror, database }: WorldParts) {
    const { clock, ledger } = this;
    const start = clock.now();
    this.random = random;
    this.plan = plan;
    this.trace = createTrace({ now: () => clock.now() - start, keep: keepTrace });
    this.#mirror = mirror;
    this.#sabotage = sabotage;
    this.database = database;
    const fullDisks = plan.faults.includes('databaseDiskFull') || plan.faults.includes('journalDiskFull');
    this.checks = new Checks({
      clock,
      mirror,
      ledger,
      trace: this.trace,
      database,
      controlNow: () => clock.now() + this.control.wall.offsetMs,
      hosts: () => this.hosts,
      forgotten: this.forgotten,
      mayNotHaveSaved: () => fullDisks,
      controlLives: () => this.control.process !== undefined,
    });
    this.network = createSimulatedNetwork({
      clock,
      random: branch(random),
      onDeliver: (delivery) => this.#delivered(delivery),
      onLink: (host, what) => this.trace.add(host, what, [host]),
    });
    const saboteur = branch(random);
    this.control = new SimulatedControl({
      clock,
      random: branch(random),
      database,
      network: this.network,
      config: { ...config, fullPassEveryMs: plan.fullPassEveryMs },
      heartbeatIntervalMs: plan.heartbeatIntervalMs,
      onError: (fields, message) => this.#daemonError('control', fields, message),
      wrapStore: (store, process) => sabotage?.store?.(store, process, saboteur) ?? store,
      wrapDispatcher: (dispatcher) => sabotage?.dispatcher?.(dispatcher, saboteur) ?? dispatcher,
    });
  }

  get rows(): Mirror['rows'] {
    return this.#mirror.rows;
  }

  /** The machine is there, its agent not yet started. */
  addHost(): SimulatedHost {
    this.#hostsMade += 1;
    const name = `host-${this.#hostsMade}`;
    const random = branch(this.random);
    const saboteur = branch(this.random);
    const host = new SimulatedHost({
      name,
      registry: this.registry,
      clock: this.clock,
      random,
      cpu: 2048,
      memoryMiB: int(this.random, 1, 3) * 1024,
      attributes: {
        'ecs.availability-zone': pick(this.random, ['zone-a', 'zone-b']),
        [instanceGroupAttribute]: pick(this.random, instanceGroups),
      },
      behave: (spec) => behaviourOfImage(spec.image, random, { calm: this.calm, dependencyGone: this.dependency.gone }),
      connectorOf: (process) => this.network.connectorOf(name, process),
      cleanupWaitMs,
      journal: this.plan.journals,
      onError: (fields, message) => this.#daemonError(name, fields, message),
      wrapEngine: (engine) => this.#sabotage?.engine?.(engine, saboteur) ?? engine,
      wrapJournal: (journal) => this.#sabotage?.journal?.(journal, saboteur) ?? journal,
    });
    for (const { reference, digest } of offeredImages) host.engine.offerAtRegistry(reference, digest);
    this.hosts = [...this.hosts, host];
    return host;
  }

  /** Starts the agent, and starts it again whenever it dies, as a service manager does, for as long as the machine is ours. */
  keepAgentUp(host: SimulatedHost): void {
    if (!this.hosts.includes(host)) return;
    try {
      host.start();
    } catch (error) {
      if (!host.diskFull) throw error;
      this.trace.add(host.name, 'the agent cannot start: the disk is full', [host.name]);
      host.kill();
      this.clock.after(this.#restartDelayMs(), () => this.keepAgentUp(host));
      return;
    }
    this.checks.started(host);
    this.turnedAway.delete(host.name);
    this.trace.add(host.name, `agent start number ${host.starts}`, [host.name]);
    host.process?.onKill(() => {
      this.trace.add(host.name, 'the agent is dead', [host.name]);
      this.clock.after(this.#restartDelayMs(), () => this.keepAgentUp(host));
    });
  }

  keepControlUp(): void {
    void this.#start();
    this.trace.add('control', `start number ${this.control.starts}`);
    this.control.process?.onKill(() => {
      this.trace.add('control', 'is dead');
      this.clock.after(this.#restartDelayMs(), () => this.keepControlUp());
    });
  }

  loseJournal(host: SimulatedHost): void {
    host.loseJournal();
    this.checks.lostJournal(host);
  }

  /** What the owner of a deregistered machine does: stop the agent, remove what it left, and join the machine anew. */
  replaceHost(host: SimulatedHost): SimulatedHost {
    this.hosts = this.hosts.filter((other) => other !== host);
    host.kill();
    return this.addHost();
  }

  async call(operation: string, body: object): Promise<CallOutcome> {
    this.calls += 1;
    const outcome = await this.control.call(operation, body, `call-${this.calls}`);
    if (this.trace.keeps) this.trace.add('user', ...describeCall(operation, body, outcome));
    const failed = outcome.kind === 'answered' && outcome.answer.status >= 500;
    if (failed && !this.database.diskFull) {
      this.checks.fail(new Violation('crash', `${operation} was answered ${JSON.stringify(outcome.answer.body)}`));
    }
    return outcome;
  }

  async backUp(): Promise<WorldBackup> {
    return { rows: await this.database.backUp(), ledger: this.ledger.save() };
  }

  /** Control dies, and its database is put back to an earlier state: what was promised since is forgotten, and the agents know more than control. */
  async restore(backup: WorldBackup): Promise<void> {
    this.control.kill();
    await this.database.restore(backup.rows);
    const live = this.rows.live();
    await this.#mirror.reload(this.database.store);
    // A later copy than the one before knows again what that one did not.
    for (const arns of [this.unknown, this.forgotten]) {
      for (const arn of [...arns].filter((each) => this.rows.tasks.has(each))) arns.delete(arn);
    }
    for (const { taskArn, desiredStatus } of live.filter((task) => !this.rows.tasks.has(task.taskArn))) {
      this.unknown.add(taskArn);
      if (desiredStatus === 'RUNNING') this.forgotten.add(taskArn);
    }
    // One copy may say of a task that it has ended, and the next know nothing of it, while it lives since an earlier copy wanted it.
    for (const { taskArn } of this.hosts.flatMap(liveOnMachine)) {
      if (!this.rows.tasks.has(taskArn)) this.unknown.add(taskArn);
    }
    this.definitions.clear();
    this.ledger.restore(backup.ledger);
  }

  /** Moves to the next timer, runs it, lets everything settle, and checks. False when there is no timer left. */
  async step(): Promise<boolean> {
    const before = this.clock.now();
    const moved = await this.clock.advanceToNextTimer();
    this.steps += 1;
    this.#commitsAtOnce = 0;
    this.#stepsAtOnce = this.clock.now() === before ? this.#stepsAtOnce + 1 : 0;
    if (this.#stepsAtOnce > mostStepsAtOnce * Math.max(1, this.hosts.length)) {
      throw new Violation('I12', 'something spins: time stands still');
    }
    await this.checks.run();
    return moved;
  }

  async runUntil(time: number): Promise<void> {
    for (let next = this.clock.nextTimerAt(); next !== undefined && next <= time; next = this.clock.nextTimerAt()) {
      await this.step();
    }
    await this.clock.advanceTo(time);
  }

  /** An error that nobody handled would have ended a daemon. */
  unhandled(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.checks.fail(new Violation('crash', `nobody handled: ${text}`));
  }

  async close(): Promise<void> {
    this.hosts.forEach((host) => host.kill());
    this.control.kill();
    await this.database.close();
  }

  #delivered(delivery: Delivery): void {
    if (this.trace.keeps) {
      const description = describeDelivery(delivery);
      if (description !== undefined) this.trace.add(delivery.host, ...description);
    }
    this.checks.delivered(delivery);
  }

  #daemonError(who: string, fields: object, message: string): void {
    const error: unknown = Reflect.get(fields, 'error');
    const cause = error instanceof Error ? `${error.name}: ${error.message}` : '';
    this.trace.add(who, `logs an error: ${message} ${cause}`, [who]);
    if (message.startsWith('this container instance was deregistered')) this.turnedAway.add(who);
    if (!whatNeverHappens.includes(message) || /disk is full/.test(cause)) return;
    this.checks.fail(new Violation('crash', `${who}: ${message}: ${cause}`));
  }

  /** A control that cannot start ends, and is started again. */
  async #start(): Promise<void> {
    try {
      await this.control.start();
    } catch (error) {
      if (this.database.diskFull) this.control.kill();
      else {
        const text = error instanceof Error ? (error.stack ?? '') : String(error);
        this.checks.fail(new Violation('crash', `control: ${text}`));
      }
    }
  }

  #restartDelayMs(): number {
    const slow = !this.calm && int(this.random, 1, 6) === 1;
    return slow ? int(this.random, 30 * second, 420 * second) : int(this.random, 200, 15 * second);
  }
}

/** What is not over for the agent of a machine. */
export function liveOnMachine({ journal }: SimulatedHost): KnownTask[] {
  return journal.knownTasks().filter(({ ended }) => !ended);
}

export function branch(random: Random): Random {
  return seededRandom(Math.floor(random.next() * 2 ** 32));
}

/** Errors that no fault of the simulation explains. */
const whatNeverHappens = [
  'looking at a service failed',
  'looking at a container instance failed',
  'background work of the reconciler failed',
  'a pass over the assignments of an instance failed',
  'a report of an agent could not be written',
  'an agent could not be registered',
  'a listener to changes of the store failed',
  'an engine step failed in an unforeseen way',
];

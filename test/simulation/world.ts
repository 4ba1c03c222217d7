/**
 * One simulated world: control, hosts, network and database on one manual clock, moved one timer at a time. After each step the rows it changed
 * are read and every invariant that can be judged then is checked; the first broken one is thrown as a Violation.
 */
import type { ContainerEngine } from '#agent/engine/container-engine.ts';
import type { Journal } from '#agent/state/journal.ts';
import { taskArnLabel } from '#agent/tasks/container-config.ts';
import type { Dispatcher } from '#control/api/dispatch.ts';
import type { ChangeSet, Store } from '#control/store/store.ts';
import { int, seededRandom, type Random } from '#lib/random.ts';
import { ManualClock } from '#test/support/manual-clock.ts';
import { SimulatedControl, type CallOutcome } from '#test/support/simulated-control.ts';
import { SimulatedHost } from '#test/support/simulated-host.ts';
import { createSimulatedNetwork, type Delivery, type SimulatedNetwork } from '#test/support/simulated-network.ts';
import type { SimulatedProcess } from '#test/support/simulated-process.ts';
import { createSimulatedDatabase, type SimulatedDatabase } from '#test/support/simulated-store.ts';
import { checkMachines } from './invariants/machines.ts';
import { checkBooks } from './invariants/resources.ts';
import { checkRollouts } from './invariants/rollouts.ts';
import { checkTaskHistory } from './invariants/task-history.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createMirror, type Mirror, type StepChanges } from './mirror.ts';
import { behaviourOfImage, offeredImages } from './programs.ts';
import { createTrace, type Trace } from './trace.ts';
import { describeChanges } from './trace-rows.ts';
import { Violation } from './violation.ts';

/** A decision or a promise that is broken on purpose, to see that the checks find it. */
export interface Sabotage {
  readonly name: string;
  store?(store: Store, process: SimulatedProcess, random: Random): Store;
  dispatcher?(dispatcher: Dispatcher, random: Random): Dispatcher;
  engine?(engine: ContainerEngine, random: Random): ContainerEngine;
  journal?(journal: Journal, random: Random): Journal;
}

const second = 1000;
const heartbeatIntervalMs = 10 * second;
const config = { lostAfterMs: 300 * second, stoppedTaskRetentionMs: 24 * 3600 * second };
const cleanupWaitMs = 180 * second;
/** How long, from its start, an agent without its journal may start new tasks beside containers that it has not looked at yet. */
const amnesiaMs = 300 * second;

/** Timers that run at one moment; more of them are a loop. */
const mostStepsAtOnce = 5000;

export class World {
  readonly clock = new ManualClock();
  readonly random: Random;
  readonly trace: Trace;
  readonly ledger: Ledger = createLedger();
  readonly control: SimulatedControl;
  readonly network: SimulatedNetwork;
  readonly database: SimulatedDatabase;
  hosts: SimulatedHost[] = [];
  steps = 0;
  /** Commits that changed a row, deletions of what is long over aside. */
  commits = 0;
  /** Once true, containers live as long as they are wanted, and nothing new breaks. */
  calm = false;
  readonly #mirror: Mirror;
  readonly #sabotage: Sabotage | undefined;
  readonly #amnesiacUntil = new Map<SimulatedHost, number>();
  #hostsMade = 0;
  #calls = 0;
  #stepsAtOnce = 0;
  #machineActivity = '';
  #repeated: { readonly delivery: Delivery; readonly journalBefore: string | undefined } | undefined;
  #failure: Error | undefined;

  static async create(seed: number, sabotage?: Sabotage): Promise<World> {
    const mirror = createMirror();
    let commits: () => void = () => undefined;
    const database = await createSimulatedDatabase({
      onCommit(process, announced: ChangeSet | undefined) {
        if (announced === undefined && process !== undefined) mirror.note(undefined);
        if (announced !== undefined) mirror.note(announced);
        commits();
      },
    });
    const world = new World(seed, { mirror, database, sabotage });
    commits = () => (world.commits += 1);
    return world;
  }

  private constructor(
    seed: number,
    { mirror, database, sabotage }: { mirror: Mirror; database: SimulatedDatabase; sabotage: Sabotage | undefined },
  ) {
    const { clock } = this;
    const start = clock.now();
    this.random = seededRandom(seed);
    this.trace = createTrace(() => clock.now() - start);
    this.#mirror = mirror;
    this.#sabotage = sabotage;
    this.database = database;
    this.network = createSimulatedNetwork({
      clock,
      random: this.#branch(),
      onDeliver: (delivery) => this.#delivered(delivery),
      onLink: (host, what) => this.trace.add(host, what),
    });
    const saboteur = this.#branch();
    this.control = new SimulatedControl({
      clock,
      random: this.#branch(),
      database,
      network: this.network,
      config,
      heartbeatIntervalMs,
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
    const random = this.#branch();
    const saboteur = this.#branch();
    const host = new SimulatedHost({
      name,
      clock: this.clock,
      random,
      cpu: 2048,
      memoryMiB: int(this.random, 1, 3) * 1024,
      behave: (spec) => behaviourOfImage(spec.image, random, this.calm),
      connectorOf: (process) => this.network.connectorOf(name, process),
      cleanupWaitMs,
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
    host.start();
    if (this.#amnesiacUntil.has(host)) this.#amnesiacUntil.set(host, this.clock.now() + amnesiaMs);
    this.trace.add(host.name, `agent start number ${host.starts}`);
    host.process?.onKill(() => {
      this.trace.add(host.name, 'the agent is dead');
      this.clock.after(this.#restartDelayMs(), () => this.keepAgentUp(host));
    });
  }

  keepControlUp(): void {
    void this.#guard('control', this.control.start());
    this.trace.add('control', `start number ${this.control.starts}`);
    this.control.process?.onKill(() => {
      this.trace.add('control', 'is dead');
      this.clock.after(this.#restartDelayMs(), () => this.keepControlUp());
    });
  }

  loseJournal(host: SimulatedHost): void {
    host.loseJournal();
    this.#amnesiacUntil.set(host, this.clock.now() + amnesiaMs);
  }

  /** What the owner of a deregistered machine does: stop the agent, remove what it left, and join the machine anew. */
  replaceHost(host: SimulatedHost): SimulatedHost {
    this.hosts = this.hosts.filter((other) => other !== host);
    host.kill();
    return this.addHost();
  }

  async call(operation: string, body: object): Promise<CallOutcome> {
    this.#calls += 1;
    const id = `call-${this.#calls}`;
    const outcome = await this.control.call(operation, body, id);
    const status = outcome.kind === 'answered' ? String(outcome.answer.status) : outcome.kind;
    const { answer } = outcome.kind === 'answered' ? outcome : {};
    const why = answer !== undefined && answer.status !== 200 ? ` ${JSON.stringify(answer.body)}` : '';
    this.trace.add('user', `${operation} ${JSON.stringify(body)} -> ${status}${why}`);
    if (answer !== undefined && answer.status >= 500) {
      this.#fail(new Violation('crash', `${operation} was answered ${JSON.stringify(answer.body)}`));
    }
    return outcome;
  }

  /** Moves to the next timer, runs it, lets everything settle, and checks. False when there is no timer left. */
  async step(): Promise<boolean> {
    const before = this.clock.now();
    const moved = await this.clock.advanceToNextTimer();
    this.steps += 1;
    this.#stepsAtOnce = this.clock.now() === before ? this.#stepsAtOnce + 1 : 0;
    if (this.#stepsAtOnce > mostStepsAtOnce) throw new Violation('I12', 'something spins: time stands still');
    await this.#check();
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
    this.#fail(new Violation('crash', `nobody handled: ${text}`));
  }

  async close(): Promise<void> {
    this.hosts.forEach((host) => host.kill());
    this.control.kill();
    await this.database.close();
  }

  async #check(): Promise<void> {
    const repeated = this.#repeated;
    this.#repeated = undefined;
    const changes = await this.#mirror.refresh(this.database.store);
    if (changes !== undefined) this.#checkRows(changes);
    this.#checkMachinesWhenActive();
    if (repeated !== undefined) this.#checkRepetition(repeated, changes);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #checkRows(changes: StepChanges): void {
    for (const line of describeChanges(changes)) this.trace.add('row', line);
    for (const change of changes.tasks) checkTaskHistory(change);
    checkRollouts(changes, this.rows);
    checkBooks(changes, this.rows);
    this.ledger.check(this.rows);
    if (onlyForgets(changes)) this.commits -= 1;
  }

  /** A container appears or starts only through these calls. */
  #checkMachinesWhenActive(): void {
    const activity = this.hosts
      .map(({ engine }) => `${engine.created.length}/${engine.calls.get('start') ?? 0}`)
      .join(' ');
    if (activity === this.#machineActivity) return;
    this.#machineActivity = activity;
    const now = this.clock.now();
    checkMachines(
      this.hosts.map((host) => ({ host, amnesiac: this.#isAmnesiac(host, now) })),
      this.rows,
    );
  }

  /** It lost its journal and does not know yet all that runs. */
  #isAmnesiac(host: SimulatedHost, now: number): boolean {
    const until = this.#amnesiacUntil.get(host);
    if (until === undefined) return false;
    const known = new Set(host.journal.knownTasks().map(({ taskArn }) => taskArn));
    return until > now || host.engine.containers().some(({ labels }) => !known.has(labels[taskArnLabel] ?? ''));
  }

  #delivered(delivery: Delivery): void {
    const { host, direction, text, repeated } = delivery;
    const type = /"type":"(\w+)"/.exec(text)?.[1] ?? 'unknown';
    if (type !== 'heartbeat') this.trace.add(host, `${direction} ${type}${repeated ? ' (again)' : ''} ${digest(text)}`);
    if (!repeated || type === 'hello' || type === 'welcome') return;
    const journalBefore = direction === 'toAgent' ? this.#journalOf(host) : undefined;
    this.#repeated = { delivery, journalBefore };
  }

  #checkRepetition(
    { delivery, journalBefore }: { delivery: Delivery; journalBefore: string | undefined },
    changes: StepChanges | undefined,
  ): void {
    const { host, direction, text } = delivery;
    if (direction === 'toControl') {
      const [task] = changes?.tasks ?? [];
      if (task !== undefined) throw new Violation('I11', `${host} repeated ${text}, and a task changed`);
    } else if (journalBefore !== undefined && journalBefore !== this.#journalOf(host)) {
      throw new Violation('I11', `control repeated ${text}, and the journal of ${host} changed`);
    }
  }

  #journalOf(name: string): string | undefined {
    const host = this.hosts.find((each) => each.name === name);
    return host && JSON.stringify([host.journal.assignmentNumber(), host.journal.knownTasks()]);
  }

  #daemonError(who: string, fields: object, message: string): void {
    const error: unknown = Reflect.get(fields, 'error');
    const cause = error instanceof Error ? `${error.name}: ${error.message}` : '';
    this.trace.add(who, `logs an error: ${message} ${cause}`);
    if (whatNeverHappens.includes(message)) this.#fail(new Violation('crash', `${who}: ${message}: ${cause}`));
  }

  async #guard(who: string, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#fail(new Violation('crash', `${who}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`));
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
  }

  #restartDelayMs(): number {
    const slow = !this.calm && int(this.random, 1, 6) === 1;
    return slow ? int(this.random, 30 * second, 420 * second) : int(this.random, 200, 15 * second);
  }

  #branch(): Random {
    return seededRandom(Math.floor(this.random.next() * 2 ** 32));
  }
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

/** Forgetting tasks and services that are long over is the one thing that is done without cause. */
function onlyForgets({ tasks, services, instances }: StepChanges): boolean {
  return instances.length === 0 && [...tasks, ...services].every(({ after }) => after === undefined);
}

function digest(text: string): string {
  return text.length <= 160 ? text : `${text.slice(0, 150)}… (${text.length} characters)`;
}

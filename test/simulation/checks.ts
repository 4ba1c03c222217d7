/** What is checked after each step: the rows that changed in it, the machines when something was created or started, and repeated messages. */
import { taskArnLabel } from '#agent/tasks/container-config.ts';
import type { Task } from '#model/task.ts';
import type { ManualClock } from '#test/support/manual-clock.ts';
import type { SimulatedHost } from '#test/support/simulated-host.ts';
import type { Delivery } from '#test/support/simulated-network.ts';
import type { SimulatedDatabase } from '#test/support/simulated-store.ts';
import { checkProvider } from './invariants/capacity.ts';
import { checkDrains } from './invariants/drains.ts';
import { checkForgotten } from './invariants/forgotten.ts';
import { checkImages } from './invariants/images.ts';
import { checkInstances } from './invariants/instances.ts';
import { MachineChecks } from './invariants/machines.ts';
import { checkBooks } from './invariants/resources.ts';
import { checkPatience } from './invariants/patience.ts';
import { checkRollouts } from './invariants/rollouts.ts';
import { SeenRunning } from './invariants/seen-running.ts';
import { checkTaskHistory } from './invariants/task-history.ts';
import type { Ledger } from './ledger.ts';
import type { Change, Mirror, StepChanges } from './mirror.ts';
import type { Trace } from './trace.ts';
import { describeChanges } from './trace-rows.ts';
import { Violation } from './violation.ts';

export interface ChecksOptions {
  readonly clock: ManualClock;
  readonly mirror: Mirror;
  readonly ledger: Ledger;
  readonly trace: Trace;
  readonly database: SimulatedDatabase;
  /** By control's own clock, which may have been set. */
  controlNow(): number;
  hosts(): readonly SimulatedHost[];
  /** Tasks that were to run and that a restored database does not know. */
  readonly forgotten: ReadonlySet<string>;
  /** A full disk may have kept a message from being saved, and then its repetition is the first that counts. */
  mayNotHaveSaved(): boolean;
  controlLives(): boolean;
}

/** How long, from its start, an agent without its journal may start new tasks beside containers that it has not looked at yet. */
const amnesiaMs = 300_000;

export class Checks {
  /** Commits that changed a row, deletions of what is long over aside. */
  commits = 0;
  /** By ARN: when a task was seen to be told to stop, in true time. */
  readonly stoppingSince = new Map<string, number>();
  readonly #options: ChecksOptions;
  readonly #machines = new MachineChecks();
  readonly #seenRunning = new SeenRunning();
  readonly #amnesiacUntil = new Map<SimulatedHost, number>();
  #repeated: { readonly delivery: Delivery; readonly journalBefore: string | undefined } | undefined;
  /** It got a message in this step, and there are tasks that a restored database has forgotten. */
  #toldAgent: SimulatedHost | undefined;
  #failure: Error | undefined;

  constructor(options: ChecksOptions) {
    this.#options = options;
  }

  /** Throws the Violation that the step was, or led to. */
  async run(): Promise<void> {
    const { clock, mirror, ledger, database, hosts, forgotten } = this.#options;
    const repeated = this.#repeated;
    this.#repeated = undefined;
    const changes = await mirror.refresh(database.store);
    if (changes !== undefined) this.#checkRows(changes);
    const now = clock.now();
    this.#machines.check(hosts(), mirror.rows, (host) => this.#isAmnesiac(host, now));
    ledger.check(mirror.rows, changes);
    if (this.#toldAgent !== undefined) checkForgotten(this.#toldAgent, forgotten);
    this.#toldAgent = undefined;
    if (repeated !== undefined) this.#checkRepetition(repeated, changes);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The first failure is what the step is told for. */
  fail(error: Error): void {
    this.#failure ??= error;
  }

  /** Its agent does not know any more what runs there. */
  lostJournal(host: SimulatedHost): void {
    this.#amnesiacUntil.set(host, this.#options.clock.now() + amnesiaMs);
  }

  started(host: SimulatedHost): void {
    if (this.#amnesiacUntil.has(host)) this.lostJournal(host);
  }

  delivered(delivery: Delivery): void {
    const { host, direction, text, repeated } = delivery;
    if (direction === 'toAgent' && this.#options.forgotten.size > 0) this.#toldAgent = this.#hostNamed(host);
    if (!repeated || /"type":"(hello|welcome)"/.test(text.slice(0, 40)) || this.#options.mayNotHaveSaved()) return;
    const journalBefore = direction === 'toAgent' ? this.#journalOf(host) : undefined;
    this.#repeated = { delivery, journalBefore };
  }

  #checkRows(changes: StepChanges): void {
    const { clock, mirror, ledger, trace, controlNow } = this.#options;
    const { rows } = mirror;
    const clocks = [clock.now(), controlNow()];
    if (trace.keeps) for (const { what, about } of describeChanges(changes)) trace.add('row', what, about);
    for (const change of changes.tasks) {
      checkTaskHistory(change);
      this.#noteStop(change);
      this.#seenRunning.note(change, clocks);
      checkImages(change, rows);
      checkPatience(change);
      checkProvider(change, rows);
    }
    checkInstances(changes, rows, ledger);
    checkRollouts(changes, rows, this.#seenRunning);
    checkDrains(changes, rows);
    checkBooks(changes, rows);
    if (onlyForgets(changes)) this.commits -= 1;
  }

  #noteStop({ before, after }: Change<Task>): void {
    if (after?.desiredStatus !== 'STOPPED') this.stoppingSince.delete((after ?? before)?.taskArn ?? '');
    else if (before?.desiredStatus !== 'STOPPED') this.stoppingSince.set(after.taskArn, this.#options.clock.now());
  }

  /** It lost its journal and does not know yet all that runs. */
  #isAmnesiac(host: SimulatedHost, now: number): boolean {
    const until = this.#amnesiacUntil.get(host);
    if (until === undefined) return false;
    const known = new Set(host.journal.knownTasks().map(({ taskArn }) => taskArn));
    return until > now || host.engine.containers().some(({ labels }) => !known.has(labels[taskArnLabel] ?? ''));
  }

  #checkRepetition(
    { delivery, journalBefore }: { delivery: Delivery; journalBefore: string | undefined },
    changes: StepChanges | undefined,
  ): void {
    const { host, direction, text } = delivery;
    if (direction === 'toControl') {
      const [task] = changes?.tasks ?? [];
      // One that died of the first message's commit has not heard the second.
      if (task !== undefined && this.#options.controlLives())
        throw new Violation('I11', `${host} repeated ${text}, and a task changed`);
    } else if (journalBefore !== undefined && journalBefore !== this.#journalOf(host)) {
      throw new Violation('I11', `control repeated ${text}, and the journal of ${host} changed`);
    }
  }

  #hostNamed(name: string): SimulatedHost | undefined {
    return this.#options.hosts().find((each) => each.name === name);
  }

  #journalOf(name: string): string | undefined {
    const host = this.#hostNamed(name);
    return host && JSON.stringify([host.journal.assignmentNumber(), host.journal.knownTasks()]);
  }
}

/** Forgetting tasks and services that are long over is the one thing that is done without cause. */
function onlyForgets({ tasks, services, instances }: StepChanges): boolean {
  return instances.length === 0 && [...tasks, ...services].every(({ after }) => after === undefined);
}

/**
 * Runs the transactions of a SQLite store one after the other: those that write in the order in which they were asked for, and before each group of them
 * those that only read and wait by then, since nobody has been told yet that what is still to be written is so. Writes that wait are committed together: each
 * commit is a write to the disk that must be waited for, and many agents report at once. Each transaction of such a group can fail alone (a savepoint)
 * and resolves after the commit, when what it wrote is durable. What a transaction is a part of is nobody's business but this file's.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '#lib/clock.ts';
import { createChangeRecorder, type ChangeRecorder } from './change-set.ts';
import type { LiveView } from './live-view.ts';
import { beginImmediately } from './sqlite-dialect.ts';
import type { ChangeSet, StoreTransaction } from './store.ts';
import type { Turn } from './transaction-guard.ts';

/** So many transactions at most wait for the commit of the first. */
const longestGroup = 64;
/** A group of writes ends with the transaction that is under way by then, so that whoever only asks something does not wait for dozens of long ones. */
const longestGroupMs = 12;

export interface CommitTurnsOptions {
  readonly database: DatabaseSync;
  readonly clock: Clock;
  readonly view: LiveView;
  transactionOf(turn: Turn, recorder: ChangeRecorder): StoreTransaction;
  announce(changes: ChangeSet): void;
  readonly breathe?: () => Promise<void>;
  /** Either of them makes each transaction commit alone, so that a crash may come between any two. */
  readonly beforeCommit?: () => void;
  readonly afterCommit?: () => void;
}

type Work<T> = (tx: StoreTransaction) => Promise<T>;

export interface CommitTurns {
  read<T>(work: Work<T>): Promise<T>;
  write<T>(work: Work<T>): Promise<T>;
  /** Outside any transaction. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

interface Job {
  readonly kind: 'read' | 'write' | 'alone';
  readonly work: (tx: StoreTransaction) => Promise<unknown>;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** A job that ran and waits for the commit. */
interface Ran {
  readonly job: Job;
  readonly recorder: ChangeRecorder;
  readonly outcome: { readonly value: unknown } | { readonly error: unknown };
}

export function createCommitTurns(options: CommitTurnsOptions): CommitTurns {
  const { database, clock, view, announce, breathe, beforeCommit, afterCommit } = options;
  const groupLimit = beforeCommit === undefined && afterCommit === undefined ? longestGroup : 1;
  const statements = {
    begin: database.prepare('begin'),
    commit: database.prepare('commit'),
    rollback: database.prepare('rollback'),
    savepoint: database.prepare('savepoint one'),
    release: database.prepare('release one'),
    rollbackTo: database.prepare('rollback to one'),
    dataVersion: database.prepare('pragma data_version'),
  };
  let reads: Job[] = [];
  /** And those that want no transaction. */
  let writes: Job[] = [];
  let dataVersion: unknown;
  let running = false;

  function ask<T>(kind: Job['kind'], work: Work<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      (kind === 'read' ? reads : writes).push({ kind, work, resolve: resolve as Job['resolve'], reject });
      if (!running) void run();
    });
  }

  async function run(): Promise<void> {
    running = true;
    while (reads.length > 0 || writes.length > 0) {
      const asked = reads;
      reads = [];
      for (let start = 0; start < asked.length; start += groupLimit) {
        await runGroup(asked.slice(start, start + groupLimit));
        await breathe?.();
      }
      await runWrites();
    }
    running = false;
  }

  async function runWrites(): Promise<void> {
    const [first] = writes;
    if (first === undefined) return;
    if (first.kind === 'alone') {
      writes = writes.slice(1);
      await runAlone(first);
    } else {
      const end = writes.findIndex(({ kind }) => kind === 'alone');
      const group = writes.slice(0, Math.min(groupLimit, end < 0 ? writes.length : end));
      writes = writes.slice(group.length);
      const left = await runGroup(group);
      writes = [...left, ...writes];
    }
    await breathe?.();
  }

  async function runAlone({ work, resolve, reject }: Job): Promise<void> {
    try {
      resolve(await (work as () => Promise<unknown>)());
    } catch (error) {
      reject(error);
    }
  }

  /** All of them read, or all of them write. Answers those that are left over because the ones before took long. */
  async function runGroup(jobs: readonly Job[]): Promise<readonly Job[]> {
    const ran: Ran[] = [];
    try {
      if (jobs[0]?.kind === 'write') await beginImmediately(database, clock);
      else statements.begin.run();
      const began = clock.now();
      forgetWhatOthersChanged();
      for (const job of jobs) {
        ran.push(await runJob(job));
        if (job.kind === 'write' && clock.now() - began >= longestGroupMs) break;
      }
      statements.commit.run();
      view.commit();
    } catch (error) {
      view.clear();
      const reason = rolledBackFor(error);
      for (const { reject } of jobs) reject(reason);
      return [];
    }
    for (const each of ran) settle(each);
    return jobs.slice(ran.length);
  }

  /** Why the jobs of the group failed. A connection that cannot even be rolled back says so again to whoever comes next. */
  function rolledBackFor(error: unknown): unknown {
    try {
      if (database.isOpen && database.isTransaction) statements.rollback.run();
      return error;
    } catch (further) {
      return new AggregateError([error, further], 'a transaction failed and could not be rolled back');
    }
  }

  async function runJob(job: Job): Promise<Ran> {
    const recorder = createChangeRecorder();
    const turn: Turn = { readOnly: job.kind === 'read', ended: false };
    const tx = options.transactionOf(turn, recorder);
    const mark = view.mark();
    if (!turn.readOnly) statements.savepoint.run();
    try {
      const value = await job.work(tx);
      turn.ended = true;
      if (!turn.readOnly) {
        beforeCommit?.();
        statements.release.run();
      }
      return { job, recorder, outcome: { value } };
    } catch (error) {
      turn.ended = true;
      // SQLite ends the whole transaction by itself when the disk is full or broken.
      if (!database.isTransaction) throw error;
      if (!turn.readOnly) {
        statements.rollbackTo.run();
        statements.release.run();
        view.rollBack(mark);
      }
      return { job, recorder, outcome: { error } };
    }
  }

  function settle({ job, recorder, outcome }: Ran): void {
    if ('error' in outcome) {
      job.reject(outcome.error);
      return;
    }
    try {
      if (job.kind === 'write') afterCommit?.();
    } catch (error) {
      job.reject(error);
      return;
    }
    announce(recorder.changes);
    job.resolve(outcome.value);
  }

  /** The number is another when another connection has committed something since it was read here. */
  function forgetWhatOthersChanged(): void {
    const version = statements.dataVersion.get()?.['data_version'];
    if (version === dataVersion) return;
    dataVersion = version;
    view.clear();
  }

  return {
    read: (work) => ask('read', work),
    write: (work) => ask('write', work),
    alone: (work) => ask('alone', work),
  };
}

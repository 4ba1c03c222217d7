/**
 * One database that outlives the control processes which open it. Each process gets a door of its own: when the process is killed, what it had not
 * committed is gone, what it had is there, and its calls are never answered. A crash can be planned right before or right after a commit, the disk can
 * be full, and the whole can be put back to what it was at a backup.
 */
import { createSqliteStore, type SqliteStoreOptions } from '#control/store/sqlite.ts';
import type { ChangeSet, Store, StoreTransaction } from '#control/store/store.ts';
import { copyRows } from './memory-store/copy-rows.ts';
import { createMemoryStore } from './memory-store/memory-store.ts';
import type { SimulatedProcess } from './simulated-process.ts';

export type CommitMoment = 'before' | 'after';

export interface SimulatedDatabase {
  /** The world's own view; its reads and subscriptions belong to no process. */
  readonly store: Store;
  open(process: SimulatedProcess): Store;
  /** Kills the process that makes the `nth` next commit (1: the very next), at that moment of it. */
  planCrash(moment: CommitMoment, nth: number): void;
  /** While set, no write of any process is committed. */
  diskFull: boolean;
  backUp(): Promise<Backup>;
  /** Only while no process has it open. */
  restore(backup: Backup): Promise<void>;
  close(): Promise<void>;
}

/** A copy of all rows that nothing writes to. */
export type Backup = Pick<Store, 'read'>;

export interface SimulatedDatabaseOptions {
  /** SQLite is the real one, memory many times as fast. */
  readonly kind: 'sqlite' | 'memory';
  /** Told of every commit that changed something, also of one whose process died before it could tell anybody. */
  onCommit(process: SimulatedProcess | undefined, announced: ChangeSet | undefined): void;
}

export async function createSimulatedDatabase(options: SimulatedDatabaseOptions): Promise<SimulatedDatabase> {
  const { kind, onCommit } = options;
  /** Whose transaction runs: they run one after the other. */
  let writer: SimulatedProcess | undefined;
  let plan: { moment: CommitMoment; left: number } | undefined;
  let diskFull = false;

  function crashIfPlanned(moment: CommitMoment): void {
    if (writer === undefined) return;
    if (plan?.moment === moment) {
      plan.left -= 1;
      if (plan.left <= 0) {
        plan = undefined;
        writer.kill();
        if (moment === 'after') onCommit(writer, undefined);
      }
    }
    writer.check();
  }

  const hooks: Omit<SqliteStoreOptions, 'path'> = {
    beforeCommit() {
      if (diskFull && writer !== undefined) throw new Error('database or disk is full');
      crashIfPlanned('before');
    },
    afterCommit: () => crashIfPlanned('after'),
  };

  async function open(): Promise<Store> {
    const opened =
      kind === 'memory' ? createMemoryStore(hooks) : await createSqliteStore({ path: ':memory:', ...hooks });
    opened.subscribe((changes) => onCommit(writer, changes));
    return opened;
  }

  let store = await open();

  function owned<T>(process: SimulatedProcess, work: (tx: StoreTransaction) => Promise<T>) {
    return async (tx: StoreTransaction): Promise<T> => {
      process.check();
      writer = process;
      return work(tx);
    };
  }

  return {
    get store() {
      return store;
    },
    get diskFull() {
      return diskFull;
    },
    set diskFull(isFull) {
      diskFull = isFull;
    },
    open(process) {
      return {
        read: (work) =>
          process.hears(() =>
            store.read(async (tx) => {
              process.check();
              return work(tx);
            }),
          ),
        write: (work) => process.hears(() => store.write(owned(process, work))),
        subscribe(listener) {
          const unsubscribe = store.subscribe((changes) => process.arrives(() => listener(changes)));
          process.onKill(unsubscribe);
          return unsubscribe;
        },
        ping: () => process.hears(() => store.ping()),
        close: () => Promise.resolve(),
      };
    },
    planCrash(moment, nth) {
      plan = { moment, left: nth };
    },
    async backUp() {
      const copy = createMemoryStore();
      await copyRows(store, copy);
      return copy;
    },
    async restore(backup) {
      await store.close();
      writer = undefined;
      store = await open();
      await copyRows(backup, store);
      onCommit(undefined, undefined);
    },
    close: () => store.close(),
  };
}

/**
 * One database that outlives the control processes which open it. Each process gets a door of its own: when the process is killed, what it had not
 * committed is gone, what it had is there, and its calls are never answered. A crash can be planned right before or right after a commit.
 */
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { ChangeSet, Store, StoreTransaction } from '#control/store/store.ts';
import type { SimulatedProcess } from './simulated-process.ts';

export type CommitMoment = 'before' | 'after';

export interface SimulatedDatabase {
  /** The world's own view; its reads and subscriptions belong to no process. */
  readonly store: Store;
  open(process: SimulatedProcess): Store;
  /** Kills the process that makes the `nth` next commit (1: the very next), at that moment of it. */
  planCrash(moment: CommitMoment, nth: number): void;
  close(): Promise<void>;
}

export interface SimulatedDatabaseOptions {
  /** Told of every commit that changed something, also of one whose process died before it could tell anybody. */
  onCommit(process: SimulatedProcess | undefined, announced: ChangeSet | undefined): void;
}

export async function createSimulatedDatabase({ onCommit }: SimulatedDatabaseOptions): Promise<SimulatedDatabase> {
  /** Whose transaction runs: they run one after the other. */
  let writer: SimulatedProcess | undefined;
  let plan: { moment: CommitMoment; left: number } | undefined;

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

  const store = await createSqliteStore({
    path: ':memory:',
    beforeCommit: () => crashIfPlanned('before'),
    afterCommit: () => crashIfPlanned('after'),
  });
  store.subscribe((changes) => onCommit(writer, changes));

  function owned<T>(process: SimulatedProcess, work: (tx: StoreTransaction) => Promise<T>) {
    return async (tx: StoreTransaction): Promise<T> => {
      process.check();
      writer = process;
      return work(tx);
    };
  }

  return {
    store,
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
          const unsubscribe = store.subscribe((changes) => void (process.alive && listener(changes)));
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
    close: () => store.close(),
  };
}

/**
 * The store in one SQLite file, or in memory. Every resolved write survives a crash of the process and of the machine (WAL with
 * `synchronous=FULL`). Transactions run one after the other in the order in which they were asked for, without timers: the same calls give
 * the same history. They do not nest: a transaction that waits for another one of the same store waits for ever.
 */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely, sql } from 'kysely';
import { systemClock, type Clock } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import { silentLogger, type Logger } from '#lib/logger.ts';
import { createSemaphore } from '#lib/semaphore.ts';
import { createChangeFeed, createChangeRecorder } from './change-set.ts';
import { StoreOpenError } from './errors.ts';
import { sqliteColumnTypes } from './migrations/column-types.ts';
import { migrate } from './migrations/migrate.ts';
import type { SchemaMigration } from './migrations/migrations.ts';
import type { Database } from './sql/schema.ts';
import { createTransaction } from './sql/transaction.ts';
import { nodeSqliteDialect, sqliteCodeOf, sqliteCodes, whileBusy } from './sqlite-dialect.ts';
import type { Store, StoreTransaction } from './store.ts';

export interface SqliteStoreOptions {
  /** A file, made with its folder when it is missing; or `:memory:`. */
  readonly path: string;
  readonly logger?: Logger;
  /** Only asked while another process holds the file's write lock. */
  readonly clock?: Clock;
  /** Instead of the program's own, for tests of upgrades. */
  readonly migrations?: readonly SchemaMigration[];
  /** Throws to act out a crash before a commit: nothing of the transaction stays. */
  readonly beforeCommit?: () => void;
  /** Throws to act out a crash after a commit: everything stays, yet the caller hears of a failure and no listener of the change. */
  readonly afterCommit?: () => void;
}

/** Rejects with a StoreOpenError. */
export async function createSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { path, logger = silentLogger, clock = systemClock } = options;
  const db = await openDatabase(options, clock);
  const feed = createChangeFeed(logger);
  /** Kysely also lets one transaction at a time use the connection, but in no particular order. */
  const turns = createSemaphore(1);

  async function writeOnce<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    const recorder = createChangeRecorder();
    const result = await db.transaction().execute(async (transaction) => {
      const answer = await work(createTransaction(transaction, recorder));
      options.beforeCommit?.();
      return answer;
    });
    options.afterCommit?.();
    feed.announce(recorder.changes);
    return result;
  }

  function readOnce<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return db
      .transaction()
      .setAccessMode('read only')
      .execute((transaction) => work(createTransaction(transaction, createChangeRecorder())));
  }

  return {
    read: (work) => turns.run(() => readOnce(work)),
    write: (work) => turns.run(() => writeOnce(work)),
    subscribe: feed.subscribe,
    async ping() {
      await turns.run(() => sql`select 1 from ${sql.table('clusters')} limit 1`.execute(db));
    },
    async close() {
      await turns.run(() => db.destroy());
      logger.debug({ path }, 'the store is closed');
    },
  };
}

async function openDatabase(options: SqliteStoreOptions, clock: Clock): Promise<Kysely<Database>> {
  try {
    return await whileBusy(clock, () => openOnce(options, clock));
  } catch (error) {
    throw explain(options.path, error);
  }
}

async function openOnce({ path, migrations }: SqliteStoreOptions, clock: Clock): Promise<Kysely<Database>> {
  if (path !== ':memory:') makePrivate(path);
  const database = new DatabaseSync(path);
  try {
    database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;');
    const db = new Kysely<Database>({ dialect: nodeSqliteDialect({ database, clock }) });
    const where = `the database ${path}`;
    await migrate(db, { types: sqliteColumnTypes, where, ...(migrations === undefined ? {} : { migrations }) });
    return db;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The rows hold secrets. SQLite gives the files beside the database the permissions of the database. */
function makePrivate(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
}

function explain(path: string, error: unknown): StoreOpenError {
  const options = { cause: error };
  switch (sqliteCodeOf(error)) {
    case sqliteCodes.busy:
      return new StoreOpenError('locked', `the database ${path} is locked by another process`, options);
    case sqliteCodes.notADatabase:
      return new StoreOpenError('notADatabase', `${path} is not a SQLite database`, options);
    case sqliteCodes.corrupt:
      return new StoreOpenError('damaged', `the database ${path} is damaged; restore a backup`, options);
    default:
      if (error instanceof StoreOpenError) return error;
      return new StoreOpenError('unreachable', `cannot open the database ${path}: ${messageOf(error)}`, options);
  }
}

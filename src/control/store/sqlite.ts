/**
 * The store in one SQLite file, or in memory. Every resolved write survives a crash of the process and of the machine (WAL with
 * `synchronous=FULL`). Transactions run one after the other (commit-turns.ts), without timers: the same calls, on a clock that stands still meanwhile, give
 * the same history. They do not nest: a transaction that waits for another one of the same store waits for ever. What is alive is read from
 * memory (live-view.ts).
 */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely, sql } from 'kysely';
import { systemClock, type Clock } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import { silentLogger, type Logger } from '#lib/logger.ts';
import { createChangeFeed } from './change-set.ts';
import { createCommitTurns } from './commit-turns.ts';
import { CorruptRowError, StoreOpenError } from './errors.ts';
import { sqliteColumnTypes } from './migrations/column-types.ts';
import { LiveView } from './live-view.ts';
import { migrate, migrationOptions } from './migrations/migrate.ts';
import type { SchemaMigration } from './migrations/migrations.ts';
import type { Database } from './sql/schema.ts';
import { createTransaction } from './sql/transaction.ts';
import { nodeSqliteDialect, sqliteCodeOf, sqliteCodes, whileBusy } from './sqlite-dialect.ts';
import type { Store, StoreTransaction } from './store.ts';
import { guardTransaction } from './transaction-guard.ts';
import { allServices, viewedInstanceTable, viewedServiceTable, viewedTaskTable } from './viewed-tables.ts';

/** The most of the database's pages that are kept in memory; with SQLite's own 2 MB every write of a large fleet reads the tree's inner pages again. */
const cacheKiB = 64 * 1024;
/** How long the log grows before it is copied into the file (16 MB): pages that change often are copied once. */
const checkpointPages = 4000;

export interface SqliteStoreOptions {
  /** A file, made with its folder when it is missing; or `:memory:`. */
  readonly path: string;
  readonly logger?: Logger;
  /** Asked how long a group of writes takes, and while another process holds the file's write lock. */
  readonly clock?: Clock;
  /** Awaited between transactions, so that a long row of them lets the program answer others; without it they follow each other at once. */
  readonly breathe?: () => Promise<void>;
  /** Instead of the program's own, for tests of upgrades. */
  readonly migrations?: readonly SchemaMigration[];
  /** Awaited before the schema of a database that has one is changed; when it rejects, nothing is. */
  readonly beforeMigrating?: () => Promise<void>;
  /** Throws to act out a crash before a commit: nothing of the transaction stays. */
  readonly beforeCommit?: () => void;
  /** Throws to act out a crash after a commit: everything stays, yet the caller hears of a failure and no listener of the change. */
  readonly afterCommit?: () => void;
}

/** Rejects with a StoreOpenError. */
export async function createSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { path, logger = silentLogger, clock = systemClock } = options;
  const { db, database } = await openDatabase(options, clock);
  const feed = createChangeFeed(logger);
  const view = new LiveView();
  const turns = createCommitTurns({
    ...options,
    database,
    clock,
    view,
    transactionOf(turn, recorder) {
      const sqlTables = createTransaction(db, recorder);
      const load = async (): Promise<boolean> => {
        if (view.state === 'empty') await loadView(view, sqlTables, logger);
        return view.state === 'loaded';
      };
      return guardTransaction(
        {
          ...sqlTables,
          tasks: viewedTaskTable(sqlTables.tasks, view, load),
          containerInstances: viewedInstanceTable(sqlTables.containerInstances, view, load),
          services: viewedServiceTable(sqlTables.services, view, load),
        },
        turn,
      );
    },
    announce: (changes) => feed.announce(changes),
  });

  return {
    read: (work) => turns.read(work),
    write: (work) => turns.write(work),
    subscribe: feed.subscribe,
    async ping() {
      await turns.alone(() => sql`select 1 from ${sql.table('clusters')} limit 1`.execute(db));
    },
    async close() {
      await turns.alone(() => db.destroy());
      logger.debug({ path }, 'the store is closed');
    },
  };
}

/** A row that is damaged fails alone: those who ask for it are told so, and all others are answered from the database. */
async function loadView(view: LiveView, tables: StoreTransaction, logger: Logger): Promise<void> {
  try {
    const instances = await tables.containerInstances.list({});
    const services = await allServices(tables.services);
    view.load({ instances, services, tasks: await tables.tasks.all({ live: true }) });
  } catch (error) {
    if (!(error instanceof CorruptRowError)) throw error;
    logger.error(
      { error },
      'a row is damaged; until it is repaired everything is read from the database, which is slower',
    );
    view.giveUp();
  }
}

interface OpenedDatabase {
  readonly db: Kysely<Database>;
  readonly database: DatabaseSync;
}

async function openDatabase(options: SqliteStoreOptions, clock: Clock): Promise<OpenedDatabase> {
  try {
    return await whileBusy(clock, () => openOnce(options, clock));
  } catch (error) {
    throw explain(options.path, error);
  }
}

async function openOnce(options: SqliteStoreOptions, clock: Clock): Promise<OpenedDatabase> {
  const { path } = options;
  if (path !== ':memory:') makePrivate(path);
  const database = new DatabaseSync(path);
  try {
    database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;');
    database.exec(`pragma cache_size = -${cacheKiB}; pragma wal_autocheckpoint = ${checkpointPages};`);
    const db = new Kysely<Database>({ dialect: nodeSqliteDialect({ database, clock }) });
    const where = `the database ${path}`;
    await migrate(db, { ...migrationOptions(options), types: sqliteColumnTypes, where });
    return { db, database };
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

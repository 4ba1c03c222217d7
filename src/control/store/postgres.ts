/**
 * The store in PostgreSQL, for several control services over one database. Writes are SERIALIZABLE and run again when PostgreSQL finds that others
 * got in their way; reads see one moment (REPEATABLE READ, read only). The writes of one store run one after the other, so that only other
 * replicas can conflict with them; like those of SQLite they do not nest.
 *
 * Changes are announced to the listeners of this process only. Those of other replicas are found by the slow full passes.
 */
import { HandleEmptyInListsPlugin, Kysely, PostgresDialect, replaceWithNoncontingentExpression, sql } from 'kysely';
import { Pool, types } from 'pg';
import { fullJitter } from '#lib/backoff.ts';
import { systemClock, type Clock } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import { silentLogger, type Logger } from '#lib/logger.ts';
import { systemRandom, type Random } from '#lib/random.ts';
import { createSemaphore } from '#lib/semaphore.ts';
import { createChangeFeed, createChangeRecorder } from './change-set.ts';
import { StoreOpenError, WriteContentionError } from './errors.ts';
import { postgresColumnTypes } from './migrations/column-types.ts';
import { migrate, migrationOptions } from './migrations/migrate.ts';
import type { SchemaMigration } from './migrations/migrations.ts';
import type { Database } from './sql/schema.ts';
import { createTransaction } from './sql/transaction.ts';
import type { Store, StoreTransaction } from './store.ts';

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Instead of the program's own, for tests of upgrades. */
  readonly migrations?: readonly SchemaMigration[];
  /** Awaited before the schema of a database that has one is changed; when it rejects, nothing is. */
  readonly beforeMigrating?: () => Promise<void>;
}

const maximumConnections = 10;
const connectTimeoutMs = 5_000;
/** Of one query: a server that cannot be reached any more answers nothing, and the kernel would wait a quarter of an hour for it. */
const queryTimeoutMs = 20_000;
/** A replica that hangs within a transaction must not hold its locks for ever. */
const idleInTransactionTimeoutMs = 60_000;

const writeAttempts = 12;
const retryBackoff = { baseMs: 5, maxMs: 500, factor: 2 };

/** serialization_failure and deadlock_detected. */
const conflicts: ReadonlySet<unknown> = new Set(['40001', '40P01']);
/** unique_violation: a conflict over a new row may show as one, and then a second look finds the other's row. */
const uniqueViolation = '23505';

/** Rejects with a StoreOpenError. */
export async function createPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { url, logger = silentLogger, clock = systemClock, random = systemRandom } = options;
  const where = describe(url);
  const feed = createChangeFeed(logger);
  const turns = createSemaphore(1);
  const pool = new Pool({
    connectionString: url,
    application_name: 'berth control',
    max: maximumConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
    keepAlive: true,
    types: { getTypeParser },
  });
  pool.on('error', (error) => logger.warn({ error, database: where }, 'an idle database connection was lost'));
  const db = new Kysely<Database>({
    dialect: new PostgresDialect({ pool }),
    // Unlike SQLite, PostgreSQL takes `in ()` for a syntax error.
    plugins: [new HandleEmptyInListsPlugin({ strategy: replaceWithNoncontingentExpression })],
  });
  await prepare(db, where, options);

  async function writeOnce<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    const recorder = createChangeRecorder();
    const result = await db
      .transaction()
      .setIsolationLevel('serializable')
      .execute((transaction) => work(createTransaction(transaction, recorder)));
    feed.announce(recorder.changes);
    return result;
  }

  async function writeWithRetries<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await writeOnce(work);
      } catch (error) {
        const state = sqlState(error);
        if (!conflicts.has(state) && !(state === uniqueViolation && attempt === 0)) throw error;
        if (attempt + 1 >= writeAttempts) throw new WriteContentionError(writeAttempts, { cause: error });
        logger.debug({ error, attempt: attempt + 1 }, 'a transaction conflicted with another and runs again');
      }
      await clock.sleep(fullJitter(retryBackoff, attempt, random));
    }
  }

  return {
    read: (work) =>
      db
        .transaction()
        .setIsolationLevel('repeatable read')
        .setAccessMode('read only')
        .execute((transaction) => work(createTransaction(transaction, createChangeRecorder()))),
    write: (work) => turns.run(() => writeWithRetries(work)),
    subscribe: feed.subscribe,
    async ping() {
      await sql`select 1 from ${sql.table('clusters')} limit 1`.execute(db);
    },
    async close() {
      await db.destroy();
      logger.debug({ database: where }, 'the store is closed');
    },
  };
}

async function prepare(db: Kysely<Database>, where: string, options: PostgresStoreOptions): Promise<void> {
  try {
    await migrate(db, { ...migrationOptions(options), types: postgresColumnTypes, where });
  } catch (error) {
    await db.destroy();
    if (error instanceof StoreOpenError) throw error;
    throw new StoreOpenError('unreachable', `cannot reach ${where}: ${reasonOf(error)}`, { cause: error });
  }
}

/** Where the database is, without the user and the password. */
function describe(url: string): string {
  if (!URL.canParse(url)) throw new StoreOpenError('unreachable', 'the URL of the PostgreSQL database is malformed');
  const { host, pathname } = new URL(url);
  return `the PostgreSQL database ${decodeURIComponent(host + pathname)}`;
}

/** Counts and epoch milliseconds fit a number; everything else as pg does it, which asks for text only. */
export function getTypeParser(oid: number): (value: string) => unknown {
  return oid === types.builtins.INT8 ? Number : types.getTypeParser(oid, 'text');
}

/** The SQLSTATE of PostgreSQL behind an error, however deep. */
function sqlState(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined;
  return 'code' in error ? error.code : sqlState(error.cause);
}

/** A host name with several addresses gives one error for all of them, without a message of its own. */
function reasonOf(error: unknown): string {
  return error instanceof AggregateError ? error.errors.map(messageOf).join(', ') : messageOf(error);
}

/**
 * Kysely's SQLite dialect over node:sqlite. One connection, one transaction at a time (kysely queues them): a transaction that is not read only
 * takes the database's write lock when it begins, so that it can never lose it to another process half way; a read only one cannot write.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import {
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
  type DatabaseConnection,
  type DialectAdapter,
  type Driver,
  type SqliteDialectConfig,
  type SqliteStatement,
} from 'kysely';
import type { Clock } from '#lib/clock.ts';

/** Enough for every statement of the store; lists of varying length make more of them. */
const keptStatements = 256;

/** How long, and how often, to try for the write lock when another process has it. */
const lockPatienceMs = 5_000;
const lockRetryMs = 10;

/** How long single statements wait inside SQLite: for the recovery or the checkpoint of another process. */
const busyTimeoutMs = 250;

/** SQLite's primary result codes. */
export const sqliteCodes = { busy: 5, corrupt: 11, notADatabase: 26 } as const;

/** The primary result code of the error of node:sqlite that this error is or was caused by; undefined when there is none. */
export function sqliteCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  return 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : sqliteCodeOf(error.cause);
}

export interface NodeSqliteDialectOptions {
  readonly database: DatabaseSync;
  /** Only asked while another process holds the write lock. */
  readonly clock: Clock;
}

export function nodeSqliteDialect(options: NodeSqliteDialectOptions): SqliteDialect {
  return new NodeSqliteDialect(options);
}

class NodeSqliteDialect extends SqliteDialect {
  readonly #options: NodeSqliteDialectOptions;
  readonly #config: SqliteDialectConfig;

  constructor(options: NodeSqliteDialectOptions) {
    const config = { database: adapt(options.database) };
    super(config);
    this.#options = options;
    this.#config = config;
  }

  override createDriver(): Driver {
    return new NodeSqliteDriver(this.#config, this.#options);
  }

  override createAdapter(): DialectAdapter {
    return new TransactionalDdlAdapter();
  }
}

/** SQLite's schema changes are transactional, and the migrations count on it. */
class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class NodeSqliteDriver extends SqliteDriver {
  readonly #options: NodeSqliteDialectOptions;

  constructor(config: SqliteDialectConfig, options: NodeSqliteDialectOptions) {
    super(config);
    this.#options = options;
  }

  /** Of migrations alone: the store begins its transactions itself. */
  override async beginTransaction(): Promise<void> {
    await beginImmediately(this.#options.database, this.#options.clock);
  }

  /** SQLite ends some transactions by itself when a statement or the commit fails. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#options.database.isTransaction) await super.rollbackTransaction(connection);
  }
}

/** Takes the write lock. Waits for it on the clock, not inside SQLite, which would hold up the whole process, possibly the lock's holder included. */
export async function beginImmediately(database: DatabaseSync, clock: Clock): Promise<void> {
  await whileBusy(clock, async () => {
    database.exec('pragma busy_timeout = 0');
    try {
      database.exec('begin immediate');
    } finally {
      database.exec(`pragma busy_timeout = ${busyTimeoutMs}`);
    }
  });
}

/** Runs `attempt` again as long as it fails because another process holds a lock, for a while; the clock is not asked unless it does. */
export async function whileBusy<T>(clock: Clock, attempt: () => Promise<T>): Promise<T> {
  let givingUpAt: number | undefined;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      givingUpAt ??= clock.now() + lockPatienceMs;
      if (sqliteCodeOf(error) !== sqliteCodes.busy || clock.now() >= givingUpAt) throw error;
    }
    await clock.sleep(lockRetryMs);
  }
}

function adapt(database: DatabaseSync): { close(): void; prepare(sql: string): SqliteStatement } {
  const statements = new Map<string, SqliteStatement>();
  return {
    close: () => database.close(),
    prepare(sql) {
      const kept = statements.get(sql);
      if (kept !== undefined) return kept;
      if (statements.size >= keptStatements) statements.clear();
      const statement = adaptStatement(database.prepare(sql));
      statements.set(sql, statement);
      return statement;
    },
  };
}

function adaptStatement(statement: StatementSync): SqliteStatement {
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...parameters.map(toInput)),
    run: (parameters) => statement.run(...parameters.map(toInput)),
    iterate: (parameters) => statement.iterate(...parameters.map(toInput)),
  };
}

function toInput(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return value;
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`SQLite has no type for a value of type ${typeof value}`);
}

/**
 * Fills an empty database with the rows of a dump: the schema is brought to where it was when the dump was made, the rows are written in one
 * transaction, then the schema is brought to this program's. A database that holds anything is left as it is.
 */
import { DatabaseSync } from 'node:sqlite';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { Pool } from 'pg';
import { systemClock } from '#lib/clock.ts';
import type { BackupRowLine } from '#protocol/backup.ts';
import type { StoreConfig } from '../config.ts';
import { backupTimeouts } from './dump.ts';
import { StoreOpenError } from './errors.ts';
import { postgresColumnTypes, sqliteColumnTypes, type ColumnTypes } from './migrations/column-types.ts';
import { migrate } from './migrations/migrate.ts';
import { recordedName, schemaMigrations } from './migrations/migrations.ts';
import { getTypeParser } from './postgres.ts';
import { nodeSqliteDialect } from './sqlite-dialect.ts';

type AnyTables = Record<string, Record<string, unknown>>;

export interface LoadedDump {
  /** As they were recorded where the dump was made. */
  readonly migrations: readonly string[];
  readonly rows: AsyncIterable<BackupRowLine>;
}

const rowsAtOnce = 200;

/** Rejects with a StoreOpenError: `newerSchema`, or `notEmpty`; or with what `rows` throws. What was written until then is not there. */
export async function loadDump(store: StoreConfig, dump: LoadedDump): Promise<void> {
  const known = new Set(schemaMigrations.map(recordedName));
  const unknown = dump.migrations.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    const message = `the backup was made by a newer version of Berth (${unknown.join(', ')}); use that version or a later one`;
    throw new StoreOpenError('newerSchema', message);
  }
  const { db, types, where } = open(store);
  try {
    const then = schemaMigrations.filter((migration) => dump.migrations.includes(recordedName(migration)));
    await requireEmpty(db, where);
    await migrate(db, { types, where, migrations: then });
    await db.transaction().execute((transaction) => insertAll(transaction, dump.rows));
    await migrate(db, { types, where });
  } finally {
    await db.destroy();
  }
}

function open(store: StoreConfig): { db: Kysely<AnyTables>; types: ColumnTypes; where: string } {
  if (store.kind === 'sqlite') {
    const database = new DatabaseSync(store.path);
    database.exec('pragma journal_mode = wal; pragma synchronous = full;');
    const db = new Kysely<AnyTables>({ dialect: nodeSqliteDialect({ database, clock: systemClock }) });
    return { db, types: sqliteColumnTypes, where: `the database ${store.path}` };
  }
  const pool = new Pool({ connectionString: store.url, max: 2, types: { getTypeParser }, ...backupTimeouts });
  // The query that is under way fails with it as well.
  pool.on('error', () => undefined);
  const db = new Kysely<AnyTables>({ dialect: new PostgresDialect({ pool }) });
  return { db, types: postgresColumnTypes, where: 'the PostgreSQL database' };
}

async function requireEmpty(db: Kysely<AnyTables>, where: string): Promise<void> {
  for (const { name } of await db.introspection.getTables()) {
    const { rows } = await sql`select 1 from ${sql.table(name)} limit 1`.execute(db);
    if (rows.length === 0) continue;
    throw new StoreOpenError(
      'notEmpty',
      `${where} is not empty (table ${name}); restore into a new one and point BERTH_STORE at it`,
    );
  }
}

async function insertAll(db: Kysely<AnyTables>, rows: AsyncIterable<BackupRowLine>): Promise<void> {
  let batch: BackupRowLine[] = [];
  const flush = async (): Promise<void> => {
    const [first] = batch;
    if (first === undefined) return;
    await db
      .insertInto(first.table)
      .values(batch.map(({ row }) => row))
      .execute();
    batch = [];
  };
  for await (const line of rows) {
    if (batch.length >= rowsAtOnce || (batch[0] !== undefined && batch[0].table !== line.table)) await flush();
    batch.push(line);
  }
  await flush();
}

/**
 * All rows of a store's database as they were at one moment, whatever its schema, read beside the store that goes on working: with a connection of its
 * own, in one read only transaction. Columns hold texts, integers and nothing else.
 */
import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';
import type { BackupRowLine } from '#protocol/backup.ts';
import type { StoreConfig } from '../config.ts';
import { migrationTable } from './migrations/migrate.ts';
import { getTypeParser } from './postgres.ts';

export interface StoreDump {
  /** Recorded names, in their order; empty when the database is. */
  readonly migrations: readonly string[];
  /** Table after table; may be read once. */
  rows(): AsyncGenerator<BackupRowLine>;
  close(): Promise<void>;
}

const rowsAtOnce = 500;
/** Of connections beside the store's; a query is a batch of rows. */
export const backupTimeouts = { connectionTimeoutMillis: 10_000, query_timeout: 60_000 } as const;

/** Rejects with what the database says when it cannot be opened. A SQLite file that is not there is not made. */
export function openDump(store: StoreConfig): Promise<StoreDump> {
  return store.kind === 'sqlite' ? Promise.try(dumpOfSqlite, store.path) : dumpOfPostgres(store.url);
}

/** Migrations in the order in which they ran: their names sort so. */
const migrationNames = `select name from ${migrationTable} order by name`;

function isData(table: string): boolean {
  return !table.startsWith('sqlite_') && !table.startsWith(migrationTable);
}

function dumpOfSqlite(path: string): StoreDump {
  if (path === ':memory:') throw new Error('a database in memory has no other connection to be read by');
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    database.exec('begin');
    const tables = database.prepare(`select name from sqlite_schema where type = 'table' order by name`).all();
    const names = tables.map(({ name }) => String(name));
    const migrations = names.includes(migrationTable) ? database.prepare(migrationNames).all() : [];
    return {
      migrations: migrations.map(({ name }) => String(name)),
      async *rows() {
        for (const table of names.filter(isData)) {
          for (const row of database.prepare(`select * from "${table}"`).iterate()) {
            yield { table, row: cellsOf(row) };
          }
        }
      },
      close: () => Promise.resolve(database.close()),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

async function dumpOfPostgres(url: string): Promise<StoreDump> {
  const client = new Client({
    connectionString: url,
    application_name: 'berth control, backup',
    ...backupTimeouts,
    types: { getTypeParser },
  });
  // The query that is under way fails with it as well.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('begin isolation level repeatable read read only');
    const { rows: tables } = await client.query<{ name: string }>(
      `select table_name as name from information_schema.tables
       where table_schema = current_schema() and table_type = 'BASE TABLE' order by 1`,
    );
    const names = tables.map(({ name }) => name);
    const migrations = names.includes(migrationTable)
      ? (await client.query<{ name: string }>(migrationNames)).rows
      : [];
    return {
      migrations: migrations.map(({ name }) => name),
      async *rows() {
        for (const table of names.filter(isData)) yield* rowsOfPostgres(client, table);
      },
      close: () => client.end(),
    };
  } catch (error) {
    await client.end();
    throw error;
  }
}

async function* rowsOfPostgres(client: Client, table: string): AsyncGenerator<BackupRowLine> {
  await client.query(`declare rows_of_table no scroll cursor for select * from "${table}"`);
  for (;;) {
    const { rows } = await client.query<Record<string, unknown>>(`fetch ${rowsAtOnce} from rows_of_table`);
    for (const row of rows) yield { table, row: cellsOf(row) };
    if (rows.length < rowsAtOnce) break;
  }
  await client.query('close rows_of_table');
}

function cellsOf(row: Record<string, unknown>): BackupRowLine['row'] {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => {
      if (value === null || typeof value === 'string' || typeof value === 'number') return [name, value];
      throw new TypeError(`the column ${name} holds a ${typeof value}, which no table of Berth has`);
    }),
  );
}

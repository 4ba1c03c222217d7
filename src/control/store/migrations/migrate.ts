/**
 * Brings a database to this program's schema. Any number of programs may do so at once: each migration runs in a transaction, under the
 * database's own lock. A database that a newer program has migrated is accepted unless one of the migrations unknown here is breaking.
 */
import { sql, type Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { StoreOpenError } from '../errors.ts';
import type { ColumnTypes } from './column-types.ts';
import { isBreaking, recordedName, schemaMigrations, type SchemaMigration } from './migrations.ts';

/** Where is recorded which migrations a database has; kysely keeps its lock beside it, in a table with that name and `_lock`. */
export const migrationTable = 'berth_migration';

export interface MigrateOptions {
  readonly types: ColumnTypes;
  /** What to call the database in messages. */
  readonly where: string;
  readonly migrations?: readonly SchemaMigration[];
  /** Awaited before the schema of a database that has one is changed. */
  readonly beforeMigrating?: () => Promise<void>;
}

/** Those that a store was opened with. */
export function migrationOptions({
  migrations,
  beforeMigrating,
}: Pick<MigrateOptions, 'migrations' | 'beforeMigrating'>): Pick<MigrateOptions, 'migrations' | 'beforeMigrating'> {
  return {
    ...(migrations === undefined ? {} : { migrations }),
    ...(beforeMigrating === undefined ? {} : { beforeMigrating }),
  };
}

/** Throws a StoreOpenError: `newerSchema`, `backupFailed` when `beforeMigrating` rejects, or `migrationFailed`; with the cause. */
export async function migrate<DB>(db: Kysely<DB>, options: MigrateOptions): Promise<void> {
  const { types, where, migrations = schemaMigrations } = options;
  const known = Object.fromEntries(
    migrations.map((migration) => [
      recordedName(migration),
      { up: (transaction: Kysely<unknown>) => migration.up(transaction, types) },
    ]),
  );
  const state = await compare(db, Object.keys(known), where);
  if (state === 'upToDate') return;
  if (state === 'behind') await prepare(options);
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(known) },
    migrationTableName: migrationTable,
    migrationLockTableName: `${migrationTable}_lock`,
  });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  // A newer program may have migrated between the look and the attempt.
  if ((await compare(db, Object.keys(known), where)) === 'upToDate') return;
  throw new StoreOpenError('migrationFailed', `cannot bring ${where} to this program's schema`, { cause: error });
}

async function prepare({ beforeMigrating, where }: MigrateOptions): Promise<void> {
  try {
    await beforeMigrating?.();
  } catch (error) {
    const message = `${where} must be brought to this program's schema, but could not be backed up before; nothing was changed`;
    throw new StoreOpenError('backupFailed', message, { cause: error });
  }
}

/** Throws when the database went where this program cannot follow. */
async function compare<DB>(
  db: Kysely<DB>,
  known: readonly string[],
  where: string,
): Promise<'upToDate' | 'behind' | 'empty'> {
  const recorded = await recordedMigrations(db);
  const breaking = recorded.filter((name) => !known.includes(name) && isBreaking(name));
  if (breaking.length > 0) {
    throw new StoreOpenError(
      'newerSchema',
      `${where} was migrated by a newer version of Berth (${breaking.join(', ')}); start that version or a later one, ` +
        'or restore the backup made before the upgrade',
    );
  }
  if (known.every((name) => recorded.includes(name))) return 'upToDate';
  return recorded.length === 0 ? 'empty' : 'behind';
}

async function recordedMigrations<DB>(db: Kysely<DB>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === migrationTable)) return [];
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(migrationTable)}`.execute(db);
  return rows.map(({ name }) => name);
}

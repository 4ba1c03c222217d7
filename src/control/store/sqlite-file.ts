/** A SQLite database as a file, while no store has it open. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { StoreOpenError } from './errors.ts';
import { sqliteCodeOf, sqliteCodes } from './sqlite-dialect.ts';

/** Brings a database and its log together into the one file; nothing to do where there is none. Throws a StoreOpenError when it is in use. */
export function settleFile(path: string): void {
  if (!existsSync(path)) return;
  const database = new DatabaseSync(path);
  try {
    // Only the last connection may leave the write-ahead log.
    database.exec('pragma journal_mode = delete');
  } catch (error) {
    if (sqliteCodeOf(error) !== sqliteCodes.busy) throw error;
    throw new StoreOpenError('locked', `the database ${path} is in use: stop control first`, { cause: error });
  } finally {
    database.close();
  }
}

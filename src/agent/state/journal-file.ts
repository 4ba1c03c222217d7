/**
 * Opens the journal's SQLite file: exclusively (two agents on one folder never run), durably (a committed transaction is on the disk), readable
 * by its owner only, and with the schema this version knows. A damaged file is put aside and a new one begun; the caller learns of it.
 */
import { chmodSync, existsSync, renameSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Logger } from '#lib/logger.ts';

export class JournalLockedError extends Error {
  override readonly name = 'JournalLockedError';
  constructor(path: string, options?: ErrorOptions) {
    super(
      `another agent uses ${path}; stop it first, or give this one a data folder of its own (ECS_DATADIR)`,
      options,
    );
  }
}

export class JournalVersionError extends Error {
  override readonly name = 'JournalVersionError';
  constructor(path: string, found: number, known: number) {
    super(
      `${path} was written by a newer agent (schema ${found}, this agent knows ${known}); install that version again`,
    );
  }
}

/** Forward only; the position of a step plus one is the schema version it leads to. */
const migrations = [
  `
  CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE tasks (
    task_arn TEXT PRIMARY KEY,
    desired_status TEXT NOT NULL,
    assignment_number INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    fixed TEXT NOT NULL,
    state TEXT NOT NULL
  ) STRICT;
  CREATE TABLE snapshots (
    task_arn TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX snapshots_pending ON snapshots (number) WHERE acknowledged = 0;
  CREATE TABLE pulled_images (reference TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE images (
    image_id TEXT PRIMARY KEY,
    pulled_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
];

/** SQLite's result codes: https://www.sqlite.org/rescode.html */
const sqliteBusy = 5;
const sqliteCorrupt = 11;
const sqliteNotADatabase = 26;

export interface OpenedFile {
  database: DatabaseSync;
  /** There was none. */
  isNew: boolean;
  /** There was one, but it was damaged and put aside. */
  wasDamaged: boolean;
}

export interface OpenFileOptions {
  path: string;
  logger: Logger;
  /** Epoch milliseconds, for the name of a file put aside. */
  now: number;
  /** Throws a JournalDamageError when the rows make no sense. */
  verify(database: DatabaseSync): void;
}

/** Throws JournalLockedError or JournalVersionError; anything else it throws is the file system's or SQLite's own. */
export function openJournalFile({ path, logger, now, verify }: OpenFileOptions): OpenedFile {
  try {
    return { ...open(path, verify), wasDamaged: false };
  } catch (error) {
    if (!isDamage(error) || !existsSync(path)) throw error;
    const quarantined = `${path}.damaged-${now}`;
    for (const suffix of ['', '-wal', '-shm']) {
      if (existsSync(path + suffix)) renameSync(path + suffix, quarantined + suffix);
    }
    logger.error(
      { error, path, quarantined },
      'the journal is damaged and was put aside; it is rebuilt from the containers on the engine and from control',
    );
    return { ...open(path, verify), wasDamaged: true };
  }
}

function open(path: string, verify: OpenFileOptions['verify']): Pick<OpenedFile, 'database' | 'isNew'> {
  const database = new DatabaseSync(path);
  try {
    database.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
    `);
    // In exclusive mode the first write takes the lock and keeps it until the process ends, however it ends.
    database.exec('BEGIN IMMEDIATE; COMMIT;');
    if (path !== ':memory:') chmodSync(path, 0o600);
    const check = database.prepare('PRAGMA quick_check(1)').get();
    if (check?.['quick_check'] !== 'ok') throw new JournalDamageError(String(check?.['quick_check']));
    const isNew = migrate(database, path) === 0;
    verify(database);
    return { database, isNew };
  } catch (error) {
    database.close();
    if (resultCode(error) === sqliteBusy) throw new JournalLockedError(path, { cause: error });
    throw error;
  }
}

/** The version that it had. */
function migrate(database: DatabaseSync, path: string): number {
  const found = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (found > migrations.length) throw new JournalVersionError(path, found, migrations.length);
  for (const [index, step] of migrations.entries()) {
    if (index >= found) database.exec(`BEGIN; ${step}; PRAGMA user_version = ${index + 1}; COMMIT;`);
  }
  return found;
}

/** What is in the file is not what this agent wrote. */
export class JournalDamageError extends Error {
  override readonly name = 'JournalDamageError';
}

function isDamage(error: unknown): boolean {
  const code = resultCode(error);
  return error instanceof JournalDamageError || code === sqliteCorrupt || code === sqliteNotADatabase;
}

/** SQLite's primary result code of an error of `node:sqlite`. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

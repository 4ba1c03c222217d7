/** Writes a backup to a file of the control service's own: before the schema of a database is changed. */
import { createWriteStream, openSync, closeSync, fsyncSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { renameDurably } from '#lib/durable-file.ts';
import { fileNameTime } from '#lib/iso-time.ts';
import { openBackup, type BackupSource } from './archive.ts';

const kept = 3;

/** Into the folder `backups` of control's, where the newest of its kind are kept. Answers the path; a file that could not be written whole is not there. */
export async function writeMigrationBackup(source: BackupSource): Promise<string> {
  const folder = join(source.config.home, 'backups');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const name = `before-upgrade-${fileNameTime(source.clock.now())}.backup`;
  const path = join(folder, name);
  const { createGzip } = await import('node:zlib');
  try {
    const chunks = Readable.from(await openBackup(source));
    await pipeline(chunks, createGzip(), createWriteStream(`${path}.new`, { mode: 0o600 }));
    sync(`${path}.new`);
  } catch (error) {
    rmSync(`${path}.new`, { force: true });
    throw error;
  }
  renameDurably(`${path}.new`, path);
  const older = readdirSync(folder).filter((each) => /^before-upgrade-.*\.backup$/.test(each));
  for (const each of older.toSorted().slice(0, -kept)) rmSync(join(folder, each));
  return path;
}

function sync(path: string): void {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

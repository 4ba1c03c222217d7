/**
 * `berth restore FILE`: puts a backup in the place of what this control service had; control must be down. What was there is kept beside it. Nothing is
 * stopped by that: when control is up again the agents tell what runs, and are told what of it is wanted.
 */
import { chownSync, createReadStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { dirname } from 'node:path';
import type { Clock } from '#lib/clock.ts';
import { renameDurably } from '#lib/durable-file.ts';
import { fileNameTime } from '#lib/iso-time.ts';
import { BackupError, readBackup, type BackupEnd, type BackupFileLine, type BackupRowLine } from '#protocol/backup.ts';
import type { ControlConfig, StoreConfig } from '../config.ts';
import { loadDump } from '../store/load-dump.ts';
import { settleFile } from '../store/sqlite-file.ts';
import { restoreFile } from './home-files.ts';

export interface Restored extends BackupEnd {
  /** When the backup was made; epoch milliseconds. */
  readonly createdAt: number;
  /** What was there before has this at the end of its name. */
  readonly suffix: string;
}

/**
 * Rejects with a BackupError (the file is no backup, or not whole), a StoreOpenError (`locked`: control runs; `notEmpty`: a PostgreSQL database that is
 * in use; `newerSchema`), or what the file system says. Until the backup has been read to its end nothing is changed.
 */
export async function restoreBackup(
  path: string,
  { store, home }: Pick<ControlConfig, 'store' | 'home'>,
  clock: Clock,
): Promise<Restored> {
  const suffix = `.before-restore-${fileNameTime(clock.now())}`;
  const { manifest, lines } = await readBackup(await textLines(path));
  mkdirSync(home, { recursive: true, mode: 0o700 });
  if (store.kind === 'sqlite') settleFile(store.path);
  const target = store.kind === 'sqlite' ? { ...store, path: `${store.path}.restoring` } : store;
  removeDatabase(target);
  try {
    const files: BackupFileLine[] = [];
    let end: BackupEnd | undefined;
    const rows = async function* (): AsyncGenerator<BackupRowLine> {
      for (;;) {
        const next = await lines.next();
        if (next.done === true) {
          end = next.value;
          return;
        }
        if ('file' in next.value) files.push(next.value);
        else yield next.value;
      }
    };
    await loadDump(target, { migrations: manifest.migrations, rows: rows() });
    if (end === undefined) throw new BackupError('the backup was not read to its end');
    for (const file of files) restoreFile(home, file, suffix);
    if (store.kind === 'sqlite') exchange(store.path, suffix);
    giveToOwnerOf(home, store, files);
    return { createdAt: manifest.createdAt, suffix, ...end };
  } catch (error) {
    removeDatabase(target);
    throw error;
  }
}

async function textLines(path: string): Promise<AsyncIterable<string>> {
  const { createGunzip } = await import('node:zlib');
  const file = createReadStream(path);
  const unpacked = createGunzip();
  file.on('error', (error) => unpacked.destroy(error));
  const lines = createInterface({ input: file.pipe(unpacked), crlfDelay: Infinity });
  // readline does not tell its reader of an error of its input.
  const failed = new Promise<never>((_, reject) => unpacked.once('error', reject));
  failed.catch(() => undefined);
  return untilFailure(lines[Symbol.asyncIterator](), failed, path);
}

async function* untilFailure(
  lines: AsyncIterator<string>,
  failed: Promise<never>,
  path: string,
): AsyncGenerator<string> {
  for (;;) {
    const next = await Promise.race([lines.next(), failed]).catch((error: unknown) => {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      throw new BackupError(`${path} cannot be read as a backup (${code})`, { cause: error });
    });
    if (next.done === true) return;
    yield next.value;
  }
}

function exchange(path: string, suffix: string): void {
  settleFile(`${path}.restoring`);
  if (existsSync(path)) renameSync(path, `${path}${suffix}`);
  renameDurably(`${path}.restoring`, path);
}

function removeDatabase(store: StoreConfig): void {
  if (store.kind !== 'sqlite') return;
  for (const part of ['', '-wal', '-shm']) rmSync(`${store.path}${part}`, { force: true });
}

/** Root restores for the user that control runs as. */
function giveToOwnerOf(home: string, store: StoreConfig, files: readonly BackupFileLine[]): void {
  const { uid, gid } = statSync(home);
  if (process.getuid?.() !== 0 || uid === 0) return;
  const paths = files.flatMap(({ file }) => [`${home}/${file}`, dirname(`${home}/${file}`)]);
  for (const path of [...paths, ...(store.kind === 'sqlite' ? [store.path] : [])]) chownSync(path, uid, gid);
}

/** The files that control keeps in its folder beside the store, as a backup carries them: keys and certificates, all of them small texts. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFileDurably } from '#lib/durable-file.ts';
import type { BackupFileLine } from '#protocol/backup.ts';

const names = ['admin-credentials.json', 'agent-token'];
/** Every file in these is kept. */
const folders = ['ca'];

export function keptFiles(home: string): BackupFileLine[] {
  const inFolders = folders.flatMap((folder) =>
    existsSync(join(home, folder)) ? readdirSync(join(home, folder)).map((name) => `${folder}/${name}`) : [],
  );
  return [...names, ...inFolders.toSorted()]
    .filter((file) => existsSync(join(home, file)) && statSync(join(home, file)).isFile())
    .map((file) => ({ file, text: readFileSync(join(home, file), 'utf8') }));
}

/** Writes the file; one that is there and says something else is kept beside it under the name with `suffix`. */
export function restoreFile(home: string, { file, text }: BackupFileLine, suffix: string): void {
  const path = join(home, file);
  if (existsSync(path)) {
    if (readFileSync(path, 'utf8') === text) return;
    renameSync(path, `${path}${suffix}`);
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileDurably(path, text);
}

/** What people install Berth from: install.sh with the executables beside it and their checksums, as this clone makes them. */
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { buildExecutable } from './executable.ts';

const root = resolve(import.meta.dirname, '../..');

/** Builds what is missing, and puts it into the folder, which is made where there is none. */
export async function fillRelease(folder: string): Promise<void> {
  await buildExecutable();
  await mkdir(folder, { recursive: true });
  const sums = await readFile(join(root, 'dist/SHA256SUMS'), 'utf8');
  const executables = sums.split('\n').flatMap((line) => line.split(/\s+/)[1] ?? []);
  for (const name of ['SHA256SUMS', ...executables]) await copyFile(join(root, 'dist', name), join(folder, name));
  await copyFile(join(root, 'install.sh'), join(folder, 'install.sh'));
}

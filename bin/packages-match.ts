/**
 * Exits 0 when node_modules holds what package-lock.json names, 1 when `npm ci` has work to do.
 * npm writes node_modules/.package-lock.json last, so an interrupted installation has none.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Entry {
  readonly version?: string;
  readonly integrity?: string;
  readonly optional?: boolean;
}

const root = process.argv[2] ?? '.';
const installedPath = join(root, 'node_modules/.package-lock.json');
if (!existsSync(installedPath)) process.exit(1);

const wanted = packagesOf(join(root, 'package-lock.json'));
const installed = packagesOf(installedPath);
const missing = Object.keys(wanted).some((path) => path !== '' && !wanted[path]?.optional && !installed[path]);
const different = Object.keys(installed).some((path) => {
  const [there, due] = [installed[path], wanted[path]];
  return there?.version !== due?.version || there?.integrity !== due?.integrity;
});
process.exit(missing || different ? 1 : 0);

function packagesOf(path: string): Record<string, Entry> {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

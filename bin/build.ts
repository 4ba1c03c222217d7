/**
 * `npm run build`: the program as a few plain JavaScript files in dist/, from which the daemons of a clone run (docs/decisions/0007-build.md), and the
 * single executables for hosts beside them (0016). A finished bundle replaces the old one whole, executables included: they are of it.
 *
 *   --if-changed   the bundle alone, and only when a source is newer (`npm start`, the tests)
 *   --executable   with it: this machine's executable too, unless there is one of this bundle
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundle } from './build/bundle.ts';
import { buildExecutables } from './build/executables.ts';
import { ownPlatform, platforms } from './build/runtimes.ts';
import { writeShippedTexts } from './build/shipped-texts.ts';

const root = resolve(import.meta.dirname, '..');
const target = join(root, 'dist');
const built = join(target, 'main.js');

function newestChange(path: string): number {
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => newestChange(join(path, name))));
}

function isCurrent(): boolean {
  if (!existsSync(built)) return false;
  const sources = [
    'src',
    'package.json',
    'package-lock.json',
    'bin/build.ts',
    'bin/build',
    'install.sh',
    'systemd',
  ].map((name) => newestChange(join(root, name)));
  return statSync(built).mtimeMs > Math.max(...sources);
}

function isExecutableCurrent(): boolean {
  const executable = join(target, `berth-${ownPlatform()}`);
  return existsSync(executable) && statSync(executable).mtimeMs >= statSync(built).mtimeMs;
}

/** Folders of builds that were interrupted; one that still runs is left its own. */
function removeLeftovers(): void {
  for (const name of readdirSync(root)) {
    const pid = /^dist\.(\d+)\.(new|old)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(root, name), { recursive: true, force: true });
  }
}

async function buildBundle(): Promise<void> {
  removeLeftovers();
  const fresh = `${target}.${process.pid}.new`;
  const old = `${target}.${process.pid}.old`;
  const { modules } = await bundle(root, fresh);
  const nodeLicence = join(root, `node_modules/node/node_modules/node-${ownPlatform()}/LICENSE`);
  writeShippedTexts(root, fresh, { modules, nodeLicence: readFileSync(nodeLicence, 'utf8') });
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
  rmSync(old, { recursive: true, force: true });
}

const ifChanged = process.argv.includes('--if-changed');
if (!ifChanged || !isCurrent()) await buildBundle();
if (!ifChanged || (process.argv.includes('--executable') && !isExecutableCurrent())) {
  const lines = await buildExecutables(root, target, ifChanged ? [ownPlatform()] : platforms);
  process.stdout.write(`${lines.join('\n')}\n`);
}

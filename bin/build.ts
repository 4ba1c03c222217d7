/**
 * `npm run build`: src/main.ts and every library it runs on, as a few plain JavaScript files in dist/. The daemons run from there: without
 * type stripping and without the parts of libraries that nobody calls they need two thirds of the memory. A finished build replaces
 * the old one whole; with `--if-changed` it is left alone while no source is newer.
 */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { rolldown, type Plugin } from 'rolldown';

const root = resolve(import.meta.dirname, '..');
const target = join(root, 'dist');

/** What dockerode asks for only when it dials over SSH or builds with BuildKit, neither of which we do; ssh2 brings a native file that no bundle can hold. */
const unused = new Set(['ssh2', '@grpc/grpc-js', '@grpc/proto-loader', 'cpu-features', 'pg-native', 'pg-cloudflare']);

const withoutUnused: Plugin = {
  name: 'without-unused',
  resolveId: (id) => (unused.has(id) ? `\0unused:${id}` : undefined),
  load: (id) => (id.startsWith('\0unused:') ? 'module.exports = {};' : undefined),
};

function newestChange(path: string): number {
  const { mtimeMs } = statSync(path);
  if (!statSync(path).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => newestChange(join(path, name))));
}

function isCurrent(): boolean {
  const built = join(target, 'main.js');
  if (!existsSync(built)) return false;
  const sources = ['src', 'package.json', 'package-lock.json', 'bin/build.ts'].map((name) =>
    newestChange(join(root, name)),
  );
  return statSync(built).mtimeMs > Math.max(...sources);
}

/** Folders of builds that were interrupted; one that still runs is left its own. */
function removeLeftovers(): void {
  for (const name of readdirSync(root)) {
    const pid = /^dist\.(\d+)\.(new|old)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(root, name), { recursive: true, force: true });
  }
}

async function build(): Promise<void> {
  removeLeftovers();
  const fresh = `${target}.${process.pid}.new`;
  const old = `${target}.${process.pid}.old`;
  const bundle = await rolldown({
    input: join(root, 'src/main.ts'),
    cwd: root,
    platform: 'node',
    plugins: [withoutUnused],
  });
  await bundle.write({ dir: fresh, format: 'esm', minify: { compress: true, mangle: false, codegen: false } });
  await bundle.close();
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
  rmSync(old, { recursive: true, force: true });
}

if (!process.argv.includes('--if-changed') || !isCurrent()) await build();

/**
 * `npm run build`: src/main.ts and every library it runs on, as a few plain JavaScript files in dist/. The daemons run from there: without
 * type stripping and without the parts of libraries that nobody calls they need two thirds of the memory. A finished build replaces
 * the old one whole; with `--if-changed` it is left alone while no source is newer.
 */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, resolve } from 'node:path';
import { rolldown, type Plugin } from 'rolldown';

const root = resolve(import.meta.dirname, '..');
const target = join(root, 'dist');

/**
 * What libraries ask for only for things that we do not do: dockerode to dial over SSH and to build images, pg to run elsewhere, pino to log from a
 * thread. ssh2 also brings a native file that no bundle can hold.
 */
const unused = new Set([
  'ssh2',
  '@grpc/grpc-js',
  '@grpc/proto-loader',
  'cpu-features',
  'protobufjs',
  'tar-fs',
  '@balena/dockerignore',
  'pg-native',
  'pg-cloudflare',
  'thread-stream',
]);

/** What libraries ask for and get something smaller instead: docker-modem a log that is off, pino whether it is in a thread. */
const standIns: Readonly<Record<string, string>> = {
  debug: 'module.exports = () => () => undefined;',
  worker_threads: 'exports.isMainThread = true;',
};

const withoutUnused: Plugin = {
  name: 'without-unused',
  resolveId: (id) => (unused.has(id) || standIns[id] !== undefined ? `\0unused:${id}` : undefined),
  load: (id) =>
    id.startsWith('\0unused:') ? (standIns[id.slice('\0unused:'.length)] ?? 'module.exports = {};') : undefined,
};

/** Large parts of Node that libraries ask for at their start and use seldom or never: TLS, compression. */
const deferred = new Set(['https', 'tls', 'zlib']);
const wholeMark = '\0builtin:';
const deferredMark = '\0deferred:';

/**
 * Node's own modules, taken without reading all of their exports. An `import` reads them all, and some are made when they are read: `node:http` alone
 * brings fetch and HTTP/2, several megabytes of a small daemon. Of the deferred ones nothing is loaded before something of theirs is used.
 */
const builtins: Plugin = {
  name: 'builtins',
  resolveId(id, importer, { kind }) {
    // The bundle's own beginning, which is not to depend on what it makes possible.
    if (!isBuiltin(id) || importer === undefined || importer.startsWith('\0')) return undefined;
    const name = id.replace(/^node:/, '');
    if (kind === 'import-statement') return `${wholeMark}${id}`;
    return kind === 'require-call' && deferred.has(name) ? `${deferredMark}${name}` : undefined;
  },
  load(id) {
    if (id.startsWith(wholeMark)) return `module.exports = ${builtin(id.slice(wholeMark.length))};`;
    if (!id.startsWith(deferredMark)) return undefined;
    const whole = builtin(id.slice(deferredMark.length));
    // Not getters: docker-modem makes these modules the prototype of what it assigns to.
    return `module.exports = new Proxy({}, { get: (_, name) => ${whole}[name], has: (_, name) => name in ${whole} });`;
  },
};

function builtin(id: string): string {
  return `process.getBuiltinModule(${JSON.stringify(id)})`;
}

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
    plugins: [withoutUnused, builtins],
  });
  await bundle.write({
    dir: fresh,
    format: 'esm',
    comments: { legal: true, annotation: false, jsdoc: false },
    // A text of ASCII alone takes one byte for a character in memory, any other two.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: false, asciiOnly: true } },
  });
  await bundle.close();
  if (existsSync(target)) renameSync(target, old);
  renameSync(fresh, target);
  rmSync(old, { recursive: true, force: true });
}

if (!process.argv.includes('--if-changed') || !isCurrent()) await build();

/**
 * src/main.ts and every library it runs on, as a few plain JavaScript files: CommonJS, which is what the single executable can hold as well, split
 * where the program loads a part only when asked for. Answers the libraries that are inside, whose licences go with them.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { join } from 'node:path';
import { rolldown, type OutputOptions, type Plugin } from 'rolldown';

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
    if (kind === 'import-statement' || kind === 'dynamic-import') return `${wholeMark}${id}`;
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

const requireHere = createRequire(import.meta.url) as (id: string) => object;

/** What the command line talks to control with. */
const clientLibraries = new Set([
  '@aws-sdk/client-ecs',
  '@aws-crypto/sha256-js',
  '@smithy/protocol-http',
  '@smithy/signature-v4',
]);
const whenUsedMark = '\0when-used:';

/**
 * The command line's client of the API is most of its code, and no use to `--help`, `--version` or a wrong option: each of its libraries is loaded
 * when something of it is used for the first time.
 */
const clientWhenUsed: Plugin = {
  name: 'client-when-used',
  resolveId: (id, importer) =>
    clientLibraries.has(id) && importer?.includes('/src/cli/') ? `${whenUsedMark}${id}` : undefined,
  load(id) {
    if (!id.startsWith(whenUsedMark)) return undefined;
    const library = id.slice(whenUsedMark.length);
    const names = Object.keys(requireHere(library)).filter((name) => /^\w+$/.test(name));
    const getters = names.map((name) => `get ${name}() { return library().${name}; }`);
    return `const library = () => require('${library}');\nmodule.exports = { ${getters.join(', ')} };`;
  },
};

const output: OutputOptions = {
  format: 'cjs',
  strict: true,
  entryFileNames: 'main.js',
  comments: { legal: true, annotation: false, jsdoc: false },
  // A text of ASCII alone takes one byte for a character in memory, any other two.
  minify: { compress: true, mangle: false, codegen: { removeWhitespace: false, asciiOnly: true } },
};

/** Writes the files to `folder`. */
export async function bundle(root: string, folder: string): Promise<{ modules: string[] }> {
  const program = await rolldown({
    input: join(root, 'src/main.ts'),
    cwd: root,
    platform: 'node',
    plugins: [withoutUnused, clientWhenUsed, builtins],
    transform: { define: { BERTH_COMMIT: JSON.stringify(commitOf(root)) } },
  });
  const { output: chunks } = await program.write({ ...output, dir: folder });
  await program.close();
  // The folder above says that its files are ES modules.
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }\n');
  return { modules: chunks.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : [])) };
}

/** The beginning of the single executable, as one text. */
export async function bundleStart(root: string, file: string): Promise<void> {
  const program = await rolldown({
    input: join(root, 'src/executable.ts'),
    cwd: root,
    platform: 'node',
    plugins: [builtins],
  });
  await program.write({ ...output, file, codeSplitting: false });
  await program.close();
}

/** Empty where there is no clone to ask. */
function commitOf(root: string): string {
  function git(...args: string[]): string {
    return execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  }
  try {
    const isChanged = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${isChanged ? '*' : ''}${git('rev-parse', '--short=8', 'HEAD')}`;
  } catch (error) {
    if (error instanceof Error) return '';
    throw error;
  }
}

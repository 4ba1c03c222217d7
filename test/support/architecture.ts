/**
 * Reads source files and names what breaks the arrows and doors of the tree. Type-only imports count: a type is a
 * dependency too. The rules are data (below); test/architecture.test.ts runs them on the real tree and proves on made-up
 * trees that each of them bites.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';

export interface Import {
  /** As written: '#model/task.ts', './queue.ts', 'zod'. */
  readonly specifier: string;
  readonly typeOnly: boolean;
}

export interface SourceFile {
  /** Relative to the root of the repository, with forward slashes. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  /** Syntax errors and imports whose target is computed. */
  readonly errors: readonly string[];
}

/** lib <- model <- protocol <- {control, agent, cli, console} <- main.ts. What each layer may import besides itself. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  model: ['lib'],
  protocol: ['model', 'lib'],
  control: ['protocol', 'model', 'lib'],
  agent: ['protocol', 'model', 'lib'],
  cli: ['protocol', 'model', 'lib'],
  console: ['protocol', 'model', 'lib'],
  'executable.ts': ['lib'],
  'main.ts': ['control', 'agent', 'cli', 'protocol', 'model', 'lib'],
};

/** No I/O, no clock, no random: these import each other's neighbours only as listed, of lib only types, and no library. */
const pureFolders: Readonly<
  Record<string, { readonly from: readonly string[]; readonly libraries: readonly string[] }>
> = {
  'src/model/': { from: ['src/model/'], libraries: [] },
  'src/protocol/': { from: ['src/protocol/', 'src/model/'], libraries: ['zod', '@aws-sdk/client-ecs'] },
  'src/control/scheduler/': { from: ['src/control/scheduler/', 'src/model/'], libraries: [] },
  'src/control/deployments/': { from: ['src/control/deployments/', 'src/model/'], libraries: [] },
  'src/control/why/': {
    from: [
      'src/control/why/',
      'src/control/scheduler/',
      'src/control/deployments/',
      'src/model/',
      'src/protocol/why.ts',
    ],
    libraries: [],
  },
  'src/agent/tasks/': { from: ['src/agent/tasks/', 'src/model/'], libraries: [] },
};

interface Door {
  readonly library: RegExp;
  /** Who may import it. */
  readonly files: RegExp;
  /** Who may import its types only. */
  readonly typesIn?: RegExp;
}

/** Every library has a door; one that is not listed here may be imported nowhere in src. */
const doors: readonly Door[] = [
  { library: /^dockerode$/, files: /^src\/agent\/engine\/docker(-[a-z-]+)?\.ts$/ },
  { library: /^ws$/, files: /^src\/(control\/sessions|agent\/session|cli\/exec)\// },
  { library: /^kysely(\/|$)/, files: /^src\/control\/store\// },
  { library: /^pg$/, files: /^src\/control\/store\// },
  { library: /^node:sqlite$/, files: /^src\/(control\/store|agent\/state)\// },
  { library: /^fastify$/, files: /^src\/(control\/api|agent\/metadata)\// },
  { library: /^prom-client$/, files: /^src\/control\/api\// },
  { library: /^@(smithy|aws-crypto)\//, files: /^src\/(control\/api\/sigv4[a-z-]*\.ts$|cli\/)/ },
  { library: /^@aws-sdk\//, files: /^src\/cli\//, typesIn: /^src\/(protocol|control)\// },
  { library: /^commander$/, files: /^src\/cli\// },
  { library: /^@peculiar\/x509$/, files: /^src\/lib\/x509\.ts$/ },
  { library: /^pino$/, files: /^src\/lib\/logger\.ts$/ },
  {
    library: /^zod$/,
    files: /^src\/(protocol|control\/api|control\/store|agent|cli)\/|^src\/control\/(config\.ts$|trust\/)/,
  },
  {
    library: /^node:child_process$/,
    files: /^src\/(cli\/([a-z-]+\/)*dev|agent\/host\/|lib\/service-manager\/notify\.ts$)/,
  },
  { library: /^node:(?!sqlite$|child_process$)/, files: /^src\// },
];

/** Concrete adapters behind a port, and the composition roots that alone may name them. */
const adapters: readonly { readonly file: RegExp; readonly namedBy: RegExp }[] = [
  { file: /^src\/agent\/engine\/docker\.ts$/, namedBy: /^src\/agent\/(engine\/|main\.ts$)/ },
  { file: /^src\/control\/store\/(sqlite|postgres)\.ts$/, namedBy: /^src\/control\/(store\/|(main|control)\.ts$)/ },
];

/** Room for a test file's table or two above the ~400 lines that a file should have. */
const LONGEST_FILE_LINES = 450;

/** All TypeScript files under `folders` (which may be missing), parsed. */
export function readSources(root: string, folders: readonly string[]): SourceFile[] {
  const files: SourceFile[] = [];
  for (const folder of folders) {
    if (!statSync(posix.join(root, folder), { throwIfNoEntry: false })) continue;
    for (const entry of readdirSync(posix.join(root, folder), { recursive: true, encoding: 'utf8' })) {
      const path = posix.join(folder, entry.replaceAll('\\', '/'));
      if (path.endsWith('.ts')) files.push(parseSource(path, readFileSync(posix.join(root, path), 'utf8')));
    }
  }
  return files.toSorted((a, b) => a.path.localeCompare(b.path));
}

export function parseSource(path: string, text: string): SourceFile {
  const { program, errors: syntaxErrors } = parseSync(path, text);
  const imports: Import[] = [];
  const errors = syntaxErrors.map((error) => `${path}: ${error.message}`);
  const note = (specifier: string, typeOnly: boolean): void => void imports.push({ specifier, typeOnly });
  new Visitor({
    ImportDeclaration(node) {
      const named = node.specifiers.filter((specifier) => specifier.type === 'ImportSpecifier');
      const allTypes = named.length > 0 && named.length === node.specifiers.length && named.every(isTypeImport);
      note(node.source.value, isTypeImport(node) || allTypes);
    },
    ExportNamedDeclaration(node) {
      if (node.source) note(node.source.value, node.exportKind === 'type');
    },
    ExportAllDeclaration: (node) => note(node.source.value, node.exportKind === 'type'),
    TSImportType: (node) => note(node.source.value, true),
    ImportExpression(node) {
      if (node.source.type === 'Literal' && typeof node.source.value === 'string') note(node.source.value, false);
      else errors.push(`${path}: import() of something computed`);
    },
  }).visit(program);
  return { path, lines: text.split('\n').length - 1, imports, errors };
}

function isTypeImport(node: { importKind?: string }): boolean {
  return node.importKind === 'type';
}

/** One sentence per breach, empty when the tree keeps all rules. */
export function violations(files: readonly SourceFile[]): string[] {
  const known = new Set(files.map((file) => file.path));
  const found: string[] = [];
  for (const file of files) {
    found.push(...file.errors);
    if (file.lines > LONGEST_FILE_LINES)
      found.push(`${file.path} has ${file.lines} lines: more than ${LONGEST_FILE_LINES}`);
    for (const imported of file.imports) {
      const target = resolve(file.path, imported.specifier);
      const breach =
        target === undefined ? libraryBreach(file.path, imported) : fileBreach(file.path, imported, target, known);
      if (breach !== undefined) found.push(`${file.path} imports ${imported.specifier}: ${breach}`);
    }
  }
  return [...found, ...cycles(files)];
}

/** The file that a specifier means, or undefined when it means a library. */
function resolve(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('#test/')) return `test/${specifier.slice('#test/'.length)}`;
  if (specifier.startsWith('#')) return `src/${specifier.slice(1)}`;
  if (specifier.startsWith('.')) return posix.join(posix.dirname(from), specifier);
  return undefined;
}

function fileBreach(
  from: string,
  { specifier, typeOnly }: Import,
  to: string,
  known: ReadonlySet<string>,
): string | undefined {
  if (to.endsWith('.ts') && !known.has(to)) return 'there is no such file';
  const layer = layerOf(from);
  if (layer === undefined) return undefined;
  const target = layerOf(to);
  if (target === undefined) return to === 'package.json' ? undefined : 'src imports nothing from outside src';
  if (target !== layer && !arrows[layer]?.includes(target)) return `${layer} may not import ${target}`;
  if (target !== layer && specifier.startsWith('.') && layer !== 'main.ts')
    return `write #${target}/… across top folders`;
  const adapter = adapters.find(({ file }) => file.test(to));
  if (adapter !== undefined && !adapter.namedBy.test(from)) return 'only the composition root names this adapter';
  const pure = pureFolderOf(from);
  if (pure === undefined || pure.from.some((folder) => to.startsWith(folder))) return undefined;
  if (target !== 'lib') return 'a pure folder imports only the model';
  return typeOnly ? undefined : 'a pure folder imports only types of lib';
}

function libraryBreach(from: string, { specifier, typeOnly }: Import): string | undefined {
  if (layerOf(from) === undefined) return undefined;
  const pure = pureFolderOf(from);
  if (pure !== undefined && !pure.libraries.includes(specifier)) return 'a pure folder imports no library';
  const door = doors.find(({ library }) => library.test(specifier));
  if (door === undefined) return 'this library has no door in test/support/architecture.ts';
  if (door.files.test(from) || (typeOnly && door.typesIn?.test(from))) return undefined;
  return `not through its door (${door.files.source})`;
}

/** 'control' for src/control/…, 'main.ts' for src/main.ts, undefined outside src. */
function layerOf(path: string): string | undefined {
  const [top, layer] = path.split('/');
  return top === 'src' ? layer : undefined;
}

function pureFolderOf(path: string) {
  const folder = Object.keys(pureFolders).find((prefix) => path.startsWith(prefix));
  return folder === undefined ? undefined : pureFolders[folder];
}

/** Depth-first search; each cycle is told once, from the file at which it was entered. */
function cycles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const trail: string[] = [];
  const found: string[] = [];
  function visit(path: string): void {
    if (trail.includes(path)) {
      found.push(`cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' -> ')}`);
      return;
    }
    const file = byPath.get(path);
    if (file === undefined || done.has(path)) return;
    trail.push(path);
    for (const { specifier } of file.imports) {
      const target = resolve(path, specifier);
      if (target !== undefined) visit(target);
    }
    trail.pop();
    done.add(path);
  }
  for (const { path } of files) visit(path);
  return found;
}

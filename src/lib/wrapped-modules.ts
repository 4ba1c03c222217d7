/**
 * Loads CommonJS modules that stand ready as texts, each already wrapped in the function that takes `exports`, `require` and so on: a wrapper put
 * on here would be a second copy of the text in memory. Where V8's code cache of a text is at hand, it is not parsed again.
 */
import { Script } from 'node:vm';

export const moduleWrapper = {
  before: '(function (exports, require, module, __filename, __dirname) {',
  after: '\n})',
} as const;

export interface WrappedModules {
  /** Of a module by its name, e.g. `main.js`. */
  source(name: string): string;
  codeCache(name: string): Buffer | undefined;
}

interface LoadedModule {
  exports: unknown;
}

type Wrapper = (
  exports: unknown,
  require: (id: string) => unknown,
  module: LoadedModule,
  filename: string,
  dirname: string,
) => void;

/** `require('./name')` is another of the texts, anything else a module of Node. */
export function createModuleLoader({ source, codeCache }: WrappedModules) {
  const loaded = new Map<string, LoadedModule>();
  const scripts = new Map<string, Script>();

  function load(name: string): unknown {
    const known = loaded.get(name);
    if (known !== undefined) return known.exports;
    const cachedData = codeCache(name);
    const script = new Script(source(name), {
      filename: `berth:${name}`,
      ...(cachedData === undefined ? {} : { cachedData }),
    });
    const module: LoadedModule = { exports: {} };
    loaded.set(name, module);
    scripts.set(name, script);
    const run = script.runInThisContext() as Wrapper;
    run(module.exports, requireModule, module, process.execPath, '/');
    return module.exports;
  }

  function requireModule(id: string): unknown {
    if (id.startsWith('./')) return load(id.slice(2));
    const builtin = process.getBuiltinModule(id);
    if (builtin === undefined) throw new Error(`there is no module ${id} in this program`);
    return builtin;
  }

  return { load, scripts };
}

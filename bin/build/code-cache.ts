/**
 * `node code-cache.ts FOLDER ARGUMENT...`: runs the program from the wrapped modules in FOLDER as the executable does, and
 * leaves V8's code cache of what was loaded beside each, functions that ran included.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createModuleLoader } from '../../src/lib/wrapped-modules.ts';

const [folder, ...args] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: code-cache.ts FOLDER ARGUMENT...');
process.argv = [process.execPath, process.execPath, ...args];

const { load, scripts } = createModuleLoader({
  source: (name) => readFileSync(join(folder, name), 'latin1'),
  codeCache: () => undefined,
});
process.once('exit', () => {
  for (const [name, script] of scripts) writeFileSync(join(folder, `${name}.cache`), script.createCachedData());
});
load('main.js');

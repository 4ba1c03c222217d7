/**
 * One program: `berth control` (with `berth restore`) and `berth agent` are the daemons, everything else is the command line. Each is loaded only when asked for,
 * so that a daemon carries no code of another.
 */
import { dirname, resolve } from 'node:path';
import { isSea } from 'node:sea';

const [command, ...rest] = process.argv.slice(2);
/** The clone, where this file is in src/ or, built, in dist/; of the executable, where that lies. */
const root = isSea() ? dirname(process.execPath) : resolve(import.meta.dirname, '..');

async function run(): Promise<number> {
  if (command === 'control') return (await import('#control/main.ts')).main(rest);
  if (command === 'restore' && !rest.includes('--help')) return (await import('#control/main.ts')).restore(rest);
  if (command === 'agent') return (await import('#agent/main.ts')).main(rest);
  return (await import('#cli/main.ts')).main(process.argv.slice(2), root);
}

// No top-level await: the built files are CommonJS.
void run().then((code) => process.exit(code));

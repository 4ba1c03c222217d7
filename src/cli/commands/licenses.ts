/** `berth licenses`: the licences of Berth and of everything that its executable holds. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import type { Command } from 'commander';
import type { CliContext } from '../context.ts';
import { CliError } from '../errors.ts';

/** Written by the build (bin/build/licences.ts): an asset of the executable, a file of dist/. */
const name = 'licences.txt';

export function addLicensesCommand(program: Command, context: CliContext): void {
  program
    .command('licenses')
    .description('print the licences of Berth and of everything inside')
    .action(async () => context.terminal.write(await licences(context.environment.root)));
}

async function licences(root: string): Promise<string> {
  if (isSea()) return getAsset(name, 'utf8').trimEnd();
  try {
    return (await readFile(join(root, 'dist', name), 'utf8')).trimEnd();
  } catch (error) {
    throw new CliError(`the licences are collected by the build, and ${join(root, 'dist', name)} cannot be read`, {
      cause: error,
      next: 'run `npm run build`',
    });
  }
}

/** `berth licenses`: the licences of Berth and of everything that its executable holds. `berth shipped NAME`: another text that came with it, for the installer. */
import type { Command } from 'commander';
import { readShippedFile } from '#lib/shipped-files.ts';
import type { CliContext } from '../context.ts';
import { CliError } from '../errors.ts';

/** Written by the build (bin/build/licences.ts). */
const licences = 'licences.txt';

export function addLicensesCommand(program: Command, context: CliContext): void {
  program
    .command('licenses')
    .description('print the licences of Berth and of everything inside')
    .action(() => {
      const text = readShippedFile(licences);
      if (text === undefined) {
        throw new CliError('the licences are collected by the build, and these are sources', {
          next: 'run `npm run build`',
        });
      }
      context.terminal.write(text.trimEnd());
    });
  program
    .command('shipped', { hidden: true })
    .argument('<name>')
    .action((name: string) => {
      const text = readShippedFile(name);
      if (text === undefined) throw new CliError(`this program came without ${name}`);
      context.terminal.write(text.trimEnd());
    });
}

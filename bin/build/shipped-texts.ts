/** The texts that come with the program (src/lib/shipped-files.ts reads them): the installer, what it puts on hosts, and the licences. */
import { cpSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { licencesOf } from './licences.ts';

const licences = 'licences.txt';

/** Their names, in dist/ and in the executable. */
export function shippedTexts(root: string): string[] {
  return ['install.sh', licences, ...readdirSync(join(root, 'systemd'))];
}

export function writeShippedTexts(
  root: string,
  folder: string,
  options: { modules: readonly string[]; nodeLicence: string },
): void {
  cpSync(join(root, 'install.sh'), join(folder, 'install.sh'));
  cpSync(join(root, 'systemd'), folder, { recursive: true });
  writeFileSync(join(folder, licences), licencesOf(root, options.modules, options.nodeLicence));
}

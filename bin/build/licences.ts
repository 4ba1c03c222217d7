/** The licences of everything that is inside, as one text: Berth's own, Node's (with those of what Node is made of), and each library's. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Library {
  name: string;
  version: string;
  licence: string;
  folder: string;
}

/** `modules` are the files that the bundle was made of. Throws when a library says nothing about its licence. */
export function licencesOf(root: string, modules: readonly string[], nodeLicence: string): string {
  const libraries = new Map<string, Library>();
  for (const folder of new Set(modules.flatMap(folderOf))) {
    const library = readLibrary(folder);
    libraries.set(`${library.name} ${library.version}`, library);
  }
  const sorted = [...libraries.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const list = sorted.map(([title, { licence }]) => `  ${title}: ${licence}`).join('\n');
  return [
    `Berth is under the Apache License 2.0, printed first. This program also holds Node.js ${process.version} and these libraries:\n\n${list}\n`,
    section('Berth', readFileSync(join(root, 'LICENSE'), 'utf8')),
    section(`Node.js ${process.version}`, nodeLicence),
    ...sorted.map(([title, { licence, folder }]) => section(`${title} (${licence})`, textOf(folder))),
  ].join('\n');
}

/** The folder of the package that a file belongs to; none for Berth's own and for what the build made up. */
function folderOf(module: string): string[] {
  if (!module.includes('/node_modules/') || module.startsWith('\0')) return [];
  let folder = dirname(module);
  // Packages have further package.json files inside, without a name.
  while (!/\/node_modules\/(@[^/]+\/)?[^/]+$/.test(folder)) folder = dirname(folder);
  return [folder];
}

function readLibrary(folder: string): Library {
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  const { name, version, license } = JSON.parse(text) as { name: string; version: string; license?: string };
  if (typeof license !== 'string') throw new Error(`${folder} names no licence in its package.json`);
  return { name, version, licence: license, folder };
}

/** Some packages name a licence and bring no text of it; their name and the licence's stand for it. */
function textOf(folder: string): string {
  const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name));
  return file !== undefined && existsSync(join(folder, file))
    ? readFileSync(join(folder, file), 'utf8')
    : 'The package holds no text of its licence.\n';
}

function section(title: string, text: string): string {
  return `${'='.repeat(80)}\n${title}\n${'='.repeat(80)}\n\n${text.trim()}\n`;
}

/** The distribution by its own words, os-release(5). Read here, because a library for it would be the largest that the agent has. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const places = ['etc/os-release', 'usr/lib/os-release'];
/** What a file that says nothing stands for. */
const unnamed = 'Linux';

/** E.g. `Debian GNU/Linux 12`. `root` is another one than / in tests. */
export async function readSystemName(root: string = '/'): Promise<string> {
  for (const place of places) {
    const text = await readFile(join(root, place), 'utf8').catch(unreadable);
    if (text !== undefined) return systemNameIn(text);
  }
  return unnamed;
}

function systemNameIn(text: string): string {
  return `${valueOf('NAME', text) ?? unnamed} ${valueOf('VERSION_ID', text) ?? ''}`.trim();
}

/** Values are written as for a shell: bare, or in quotes where a backslash takes the next character as it is. */
function valueOf(name: string, text: string): string | undefined {
  const written = new RegExp(`^${name}=(.*?)\\s*$`, 'mu').exec(text)?.[1];
  if (written === undefined) return undefined;
  const [, quote, quoted] = /^(["'])(.*)\1$/u.exec(written) ?? [];
  return quote === undefined ? written : quoted?.replaceAll(/\\(.)/gu, '$1');
}

function unreadable(error: NodeJS.ErrnoException): undefined {
  if (error.code !== undefined) return undefined;
  throw error;
}

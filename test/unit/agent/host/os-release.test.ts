import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readSystemName } from '#agent/host/os-release.ts';

const folders: string[] = [];

afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

async function machineWith(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'berth-os-release-'));
  folders.push(root);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

describe('the name of a system', () => {
  it.each([
    ['Debian', 'PRETTY_NAME="Debian 12"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n', 'Debian GNU/Linux 12'],
    ['a release without a number', 'NAME="Arch Linux"\nID=arch\n', 'Arch Linux'],
    ['bare values', 'NAME=Fedora\nVERSION_ID=43\n', 'Fedora 43'],
    ['single quotes', "NAME='Alpine Linux'\nVERSION_ID=3.22.1\n", 'Alpine Linux 3.22.1'],
    ['escaped characters', 'NAME="The \\"best\\" \\$ystem"\n', 'The "best" $ystem'],
    ['lines that end as on another system', 'NAME="X"\r\nVERSION_ID="1"\r\n', 'X 1'],
    ['a file that says nothing', '\n# a comment\n', 'Linux'],
  ])('is read from os-release: %s', async (_, text, name) => {
    expect(await readSystemName(await machineWith({ 'etc/os-release': text }))).toBe(name);
  });

  it('is read from the second place where the first has none', async () => {
    const root = await machineWith({ 'usr/lib/os-release': 'NAME=X\nVERSION_ID=2\n' });
    expect(await readSystemName(root)).toBe('X 2');
  });

  it('is Linux where nothing is said', async () => {
    expect(await readSystemName(await machineWith({}))).toBe('Linux');
  });
});

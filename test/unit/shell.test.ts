/** Everything that is written for sh, as shellcheck judges it. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

function isShell(path: string): boolean {
  if (!statSync(join(root, path)).isFile() || path.endsWith('.ts')) return false;
  const text = readFileSync(join(root, path), 'utf8');
  return /^#!\/bin\/(ba)?sh\b|^# shellcheck shell=/.test(text);
}

const scripts = ['.', 'bin', 'systemd', 'test/hosts', 'test/hosts/trees']
  .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)))
  .filter(isShell);

describe('the scripts', () => {
  it('were found', () => {
    expect(scripts).toEqual(expect.arrayContaining(['install.sh', 'bin/start', 'bin/dependencies']));
  });

  it('have nothing that shellcheck would say', async () => {
    const check = promisify(execFile)('shellcheck', ['-x', '-P', 'SCRIPTDIR', ...scripts], { cwd: root });
    await expect(check).resolves.toMatchObject({ stdout: '' });
  });
});

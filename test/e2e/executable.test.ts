/** The single executable for this machine's platform, as it is put on hosts: nothing beside it, no clone, no Node. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { freePort } from '#test/support/processes.ts';
import { buildExecutable, startExecutable } from '#test/support/executable.ts';

const execute = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
let folder: string;
let berth: string;

beforeAll(async () => {
  await buildExecutable();
  folder = await mkdtemp(join(tmpdir(), 'berth-executable-'));
  berth = join(folder, 'berth');
  await copyFile(join(root, 'dist/berth'), berth);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(...args: string[]): Promise<string> {
  const { stdout } = await execute(berth, args, { cwd: folder, env: {}, maxBuffer: 1 << 24 });
  return stdout;
}

/** Processor time of a command in milliseconds, the least of several runs: what waits for other programs does not count. */
async function costOf(file: string, args: readonly string[]): Promise<number> {
  const costs: number[] = [];
  for (let n = 0; n < 5; n++) {
    const { stderr } = await execute('bash', ['-c', 'TIMEFORMAT="%U %S"; time "$@" >/dev/null', '-', file, ...args]);
    const [user = '', system = ''] = stderr.trim().split(' ');
    costs.push((Number(user) + Number(system)) * 1000);
  }
  return Math.min(...costs);
}

describe('the executable', () => {
  it('says its version and its commit', async () => {
    expect(await run('--version')).toMatch(/^\d+\.\d+\.\d+\+[0-9a-f]{8}(\.changed)?\n$/);
    expect(await run('--version')).toContain(packageJson.version);
  });

  it('brings the licences of everything inside', async () => {
    const licences = await run('licenses');
    for (const part of ['Apache License', 'Node.js v', 'dockerode', 'fastify', 'OpenSSL', 'MIT']) {
      expect(licences).toContain(part);
    }
  });

  it('has its checksum beside it', async () => {
    const content = await readFile(join(root, 'dist/berth'));
    const sum = createHash('sha256').update(content).digest('hex');
    expect(await readFile(join(root, 'dist/SHA256SUMS'), 'utf8')).toContain(`${sum}  berth-linux-${process.arch}\n`);
  });

  it('starts faster than the built files under Node, from its code cache', async () => {
    const files = await costOf(process.execPath, [join(root, 'dist/main.js'), '--help']);
    expect(await costOf(berth, ['--help'])).toBeLessThan(files * 0.9);
  });

  it('says that a cluster for development is a matter of clones', async () => {
    await expect(run('dev', 'up')).rejects.toThrow(/builds and runs a clone of Berth, and this is an installed one/);
  });

  it('runs control as one process that has the flags of a daemon', async () => {
    const port = await freePort();
    const settings = { BERTH_HOME: join(folder, 'control'), BERTH_LISTEN: `127.0.0.1:${port}` };
    const control = startExecutable(berth, ['control'], settings);

    await control.answers(`http://127.0.0.1:${port}/healthz`);

    const commandLine = await readFile(`/proc/${control.pid}/cmdline`, 'utf8');
    expect(commandLine).toContain('--node-options=--max-semi-space-size=16\0control');
    expect(await readFile(`/proc/${control.pid}/environ`, 'utf8')).toContain('MALLOC_ARENA_MAX=1');
    expect(await control.stop()).toBe(0);
  });
});

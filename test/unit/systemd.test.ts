/** The units under systemd/, as systemd itself judges them: no directive that it does not know, and no more exposure than promised. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exposureIn } from '#test/support/unit-exposure.ts';

const execute = promisify(execFile);
const units = resolve(import.meta.dirname, '../../systemd');
let root: string;

/** A root folder with the units and with what they run, so that they can be judged without being installed. */
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'berth-units-'));
  await cp(units, join(root, 'etc/systemd/system'), { recursive: true });
  for (const program of ['opt/berth/bin/berth', 'bin/sh']) {
    await mkdir(join(root, program, '..'), { recursive: true });
    await writeFile(join(root, program), '', { mode: 0o755 });
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function exposureOf(unit: string): Promise<number> {
  const { stdout } = await execute('systemd-analyze', ['security', '--offline=true', '--no-pager', join(units, unit)]);
  return exposureIn(stdout);
}

describe('the units', () => {
  it.each([
    ['berth-control.service', 3.0],
    ['berth-agent.service', 5.0],
  ])('%s is exposed by no more than %d', async (unit, bound) => {
    expect(await exposureOf(unit)).toBeLessThanOrEqual(bound);
  });

  it.each(['berth-control.service', 'berth-agent.service'])(
    '%s has no directive that systemd does not know',
    async (unit) => {
      const { stderr } = await execute('systemd-analyze', ['verify', '--recursive-errors=no', `--root=${root}`, unit]);
      expect(stderr.split('\n').filter((line) => line.includes(unit))).toEqual([]);
    },
  );
});

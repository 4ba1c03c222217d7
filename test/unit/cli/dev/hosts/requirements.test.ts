import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { requireHosts } from '#cli/dev/hosts/requirements.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-path-'));
  for (const name of ['dockerd', 'containerd', 'iptables', 'nsenter', 'unshare', 'mount', 'umount', 'ip'])
    writeFileSync(join(folder, name), '', { mode: 0o755 });
});
afterEach(() => rmSync(folder, { recursive: true }));

it('takes root', async () => {
  await expect(requireHosts({ userId: 1000, path: folder })).rejects.toMatchObject({
    message: expect.stringContaining('take root'),
    next: expect.stringContaining('sudo'),
  });
});

it('is content when every program is there', async () => {
  await expect(requireHosts({ userId: 0, path: `/nowhere:${folder}` })).resolves.toBeUndefined();
});

it('names every program that is missing, and the packages that bring them', async () => {
  rmSync(join(folder, 'dockerd'));
  rmSync(join(folder, 'ip'));
  await expect(requireHosts({ userId: 0, path: folder })).rejects.toMatchObject({
    message: expect.stringContaining('dockerd, ip'),
    next: expect.stringContaining('apt-get install docker.io iproute2'),
  });
});

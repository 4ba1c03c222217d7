/** What agents are offered: only what lies there with its checksum, and signed so that those who trust control's authority can tell. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkRelease } from '#agent/upgrade/release-check.ts';
import { createReleaseSource } from '#control/upgrade/release-source.ts';
import { silentLogger } from '#lib/logger.ts';
import { ManualClock } from '#test/support/manual-clock.ts';
import { trustWorld, type TrustWorld } from '#test/support/trust-world.ts';

let folder: string;
let world: TrustWorld;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'berth-release-'));
  world = await trustWorld({ clock: new ManualClock() });
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world.dispose();
});

function add(name: string, content = name): string {
  writeFileSync(join(folder, name), content);
  return `${createHash('sha256').update(content).digest('hex')}  ${name}\n`;
}

function offered() {
  const { trust } = world;
  return createReleaseSource({ folder, version: '0.2.0', sign: trust.sign, logger: silentLogger })();
}

async function authorities(): Promise<string[]> {
  return (await world.trust.bundle()).match(/-----BEGIN[^]+?-----END CERTIFICATE-----\n/g) ?? [];
}

describe('the release for agents', () => {
  test('has the executables that are there, with lengths and checksums', () => {
    writeFileSync(join(folder, 'SHA256SUMS'), add('berth-linux-x64') + add('berth-linux-arm64', 'other'));
    expect(JSON.parse(offered()?.text ?? '')).toEqual({
      version: '0.2.0',
      artifacts: {
        'linux-x64': { path: '/dist/berth-linux-x64', bytes: 15, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
        'linux-arm64': { path: '/dist/berth-linux-arm64', bytes: 5, sha256: expect.any(String) },
      },
    });
  });

  test('is none where there is no executable, or no checksum of it', () => {
    expect(offered()).toBeUndefined();
    add('berth-linux-x64');
    writeFileSync(join(folder, 'SHA256SUMS'), 'something else\n');
    expect(offered()).toBeUndefined();
    expect(
      createReleaseSource({ folder: undefined, version: '1', sign: () => undefined, logger: silentLogger })(),
    ).toBe(undefined);
  });

  test('is taken by an agent that trusts control’s authority, and by no other', async () => {
    writeFileSync(join(folder, 'SHA256SUMS'), add('berth-linux-x64'));
    const ours = await authorities();
    const { version, text: release, signature = '' } = offered() ?? { version: '', text: '' };
    expect(checkRelease({ version, release, signature }, ours, 'linux-x64')).toMatchObject({ ok: true });
    const stranger = await trustWorld({ clock: new ManualClock() });
    await stranger.trust.open();
    const forged = stranger.trust.sign(release) ?? '';
    await stranger.dispose();
    const changed = release.replace('15', '16');
    for (const false_ of [
      { version, release },
      { version, release, signature: '' },
      { version, release, signature: forged },
      { version, release: changed, signature },
    ]) {
      expect(checkRelease(false_, ours, 'linux-x64')).toMatchObject({
        ok: false,
        reason: 'the release is not signed by a CA that this machine trusts',
      });
    }
  });

  test('is still taken by agents that know only the first authority while it is being replaced', async () => {
    writeFileSync(join(folder, 'SHA256SUMS'), add('berth-linux-x64'));
    const before = await authorities();
    await world.trust.beginRotation();
    const { version, text: release, signature = '' } = offered() ?? { version: '', text: '' };
    expect(checkRelease({ version, release, signature }, before, 'linux-x64')).toMatchObject({ ok: true });
  });
});

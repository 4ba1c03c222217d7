/** An agent brings itself another version: on a real folder laid out as install.sh does it, with a release that is signed by a key of the test's own. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { findInstallation, type Installation } from '#agent/upgrade/installation.ts';
import type { OfferedRelease } from '#agent/upgrade/release-check.ts';
import { watchTrial } from '#agent/upgrade/trial.ts';
import { createUpdater, type UpdaterOptions } from '#agent/upgrade/updater.ts';
import { silentLogger } from '#lib/logger.ts';
import type { AgentUpdateReport } from '#model/agent-update.ts';
import type { Release } from '#protocol/session/upgrade.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const run = promisify(execFile);
const guard = resolve(import.meta.dirname, '../../../../systemd/berth-guard');
const program = Buffer.from('#!/bin/sh\necho 0.2.0\n');
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'berth-upgrade-'));
  mkdirSync(join(root, 'bin'));
  for (const version of ['0.0.9', '0.1.0']) addVersion(version);
  symlinkSync('../versions/0.1.0/berth', join(root, 'bin/berth'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function addVersion(version: string): void {
  mkdirSync(join(root, 'versions', version), { recursive: true });
  writeFileSync(join(root, 'versions', version, 'berth'), `#!/bin/sh\necho ${version}\n`);
  chmodSync(join(root, 'versions', version, 'berth'), 0o755);
}

function running(version = '0.1.0'): Installation {
  const found = findInstallation(join(root, 'versions', version, 'berth'));
  if (found === undefined) throw new Error('nothing is installed');
  return found;
}

function next(): string {
  return readlinkSync(join(root, 'bin/berth'));
}

function aRelease(changes: Partial<Release> = {}): OfferedRelease {
  const sha256 = createHash('sha256').update(program).digest('hex');
  const artifacts = { 'linux-x64': { path: '/dist/berth-linux-x64', bytes: program.length, sha256 } };
  const release = { version: '0.2.0', artifacts, ...changes };
  return { version: release.version, release: JSON.stringify(release) };
}

interface Run {
  reports: AgentUpdateReport[];
  restarts: string[];
}

async function update(changes: Partial<UpdaterOptions> = {}, offered = aRelease()): Promise<Run> {
  const outcome: Run = { reports: [], restarts: [] };
  const updater = createUpdater({
    installation: running(),
    enabled: true,
    platform: 'linux-x64',
    authorities: () => undefined,
    download: () => chunksOf(program),
    versionOf: async (path) => (await run(path)).stdout.trim(),
    restart: (because) => outcome.restarts.push(because),
    clock: new ManualClock(),
    logger: silentLogger,
    ...changes,
  });
  await updater.update(offered, (report) => outcome.reports.push(report));
  return outcome;
}

async function* chunksOf(...chunks: Buffer[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

function failure({ reports, restarts }: Run): string | undefined {
  expect(restarts).toEqual([]);
  expect(next()).toBe('../versions/0.1.0/berth');
  expect(readdirSync(join(root, 'versions')).filter((name) => name.endsWith('.new'))).toEqual([]);
  const last = reports.at(-1);
  return last?.status === 'FAILED' ? last.reason : undefined;
}

describe('an update', () => {
  test('is staged, tried for its version, exchanged, and ends the agent', async () => {
    const { reports, restarts } = await update();
    expect(reports.map(({ status }) => status)).toEqual(['STAGING', 'STAGED', 'UPDATING']);
    expect(restarts).toEqual(['update to 0.2.0']);
    expect(next()).toBe('../versions/0.2.0/berth');
    expect(readFileSync(join(root, 'versions/0.2.0/berth'))).toEqual(program);
    expect(running('0.2.0').trial()).toEqual({ from: '0.1.0', to: '0.2.0' });
  });

  test.each([
    ['that is shorter than the release says', program.subarray(1), 'of the'],
    ['that is longer', Buffer.concat([program, program]), 'longer than'],
    ['of the same length and other content', Buffer.alloc(program.length), 'its SHA-256 is'],
  ])('with an executable %s changes nothing', async (_what, bytes, reason) => {
    expect(failure(await update({ download: () => chunksOf(bytes) }))).toContain(reason);
  });

  test('whose executable cannot run here, or says it is another, changes nothing', async () => {
    expect(failure(await update({ versionOf: () => Promise.reject(new Error('Exec format error')) }))).toBe(
      'Exec format error',
    );
    expect(failure(await update({ versionOf: () => Promise.resolve('0.3.0') }))).toBe(
      'the executable says it is 0.3.0',
    );
  });

  test('whose download comes to no end is given up after 15 minutes', async () => {
    const clock = new ManualClock();
    const never = async function* (_path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
      yield program.subarray(0, 1);
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    };
    const outcome = update({ clock, download: never });
    await vi.waitFor(() => expect(existsSync(join(root, 'versions/0.2.0.new/berth'))).toBe(true));
    await clock.advance(15 * 60_000);
    const { reports } = await outcome;
    expect(reports.at(-1)).toMatchObject({ status: 'FAILED', reason: expect.stringContaining('the download') });
    await vi.waitFor(() => expect(existsSync(join(root, 'versions/0.2.0.new'))).toBe(false));
  });

  test('to the version that runs, of a program that was not installed, or where updates are disabled, is refused', async () => {
    expect(failure(await update({}, aRelease({ version: '0.1.0' })))).toBe('this agent is 0.1.0 already');
    expect(failure(await update({ installation: undefined }))).toContain('was not installed by install.sh');
    expect(failure(await update({ enabled: false }))).toBe('updates are disabled (ECS_UPDATES_ENABLED)');
  });

  test('for other machines alone is refused', async () => {
    expect(failure(await update({ platform: 'linux-arm64' }))).toBe('control has no executable for linux-arm64');
  });

  test('that cannot be read is refused with the field', async () => {
    expect(failure(await update({}, { version: '0.2.0', release: '{"version":"../../etc"}' }))).toContain('version');
    expect(failure(await update({}, { ...aRelease(), version: '0.3.0' }))).toBe('the release is 0.2.0, not 0.3.0');
  });
});

describe('a new version on trial', () => {
  function onTrial(): { clock: ManualClock; restarts: string[]; watch: ReturnType<typeof watchTrial> } {
    addVersion('0.2.0');
    running().switchTo('0.2.0');
    const clock = new ManualClock();
    const restarts: string[] = [];
    const restart = (because: string): void => void restarts.push(because);
    const watch = watchTrial({ installation: running('0.2.0'), clock, logger: silentLogger, restart });
    return { clock, restarts, watch };
  }

  test('stays when it has a session within a minute, with the version before it and no older one', async () => {
    const { clock, restarts, watch } = onTrial();
    await clock.advance(59_000);
    watch.proven();
    await clock.advance(60_000);
    expect(restarts).toEqual([]);
    expect(running('0.2.0').trial()).toBeUndefined();
    expect(readdirSync(join(root, 'versions')).toSorted()).toEqual(['0.1.0', '0.2.0']);
  });

  test('goes back by itself when it has none', async () => {
    const { clock, restarts } = onTrial();
    await clock.advance(60_000);
    expect(restarts).toEqual(['back to 0.1.0']);
    expect(next()).toBe('../versions/0.1.0/berth');
    expect(running().trial()).toBeUndefined();
  });

  test('is gone back from by the guard when it ended without having proven itself', async () => {
    addVersion('0.2.0');
    running().switchTo('0.2.0');
    await run(guard, [root]);
    expect(next()).toBe('../versions/0.2.0/berth');
    await run(guard, [root]);
    expect(next()).toBe('../versions/0.1.0/berth');
    expect((await run(join(root, 'bin/berth'))).stdout).toBe('0.1.0\n');
    await run(guard, [root]);
    expect(next()).toBe('../versions/0.1.0/berth');
  });

  test('is not what a version is that runs without one', async () => {
    const clock = new ManualClock();
    const restarts: string[] = [];
    watchTrial({ installation: running(), clock, logger: silentLogger, restart: (why) => restarts.push(why) }).proven();
    await clock.advance(120_000);
    expect(restarts).toEqual([]);
    await run(guard, [root]);
    expect(next()).toBe('../versions/0.1.0/berth');
  });
});

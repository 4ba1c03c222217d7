/** `berth restore` on the files of a control service that is down: all of the backup, or nothing of it, and what was there is kept. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openBackup } from '#control/backup/archive.ts';
import { restoreBackup, type Restored } from '#control/backup/restore.ts';
import type { ControlConfig } from '#control/config.ts';
import { loadSecrets } from '#control/secrets.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import { breathe } from '#lib/clock.ts';
import { seededIds } from '#lib/ids.ts';
import { seededRandom } from '#lib/random.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

type State = Pick<ControlConfig, 'store' | 'home'>;

const clock = new ManualClock();
let home: string;
let backup: string;

function stateIn(folder: string): State {
  return { home: folder, store: { kind: 'sqlite', path: join(folder, 'control.sqlite') } };
}

function aFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'berth-restore-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function open(folder: string) {
  const store = await createSqliteStore({ path: join(folder, 'control.sqlite') });
  return {
    clusters: async () =>
      (await store.read((tx) => tx.clusters.list({}, { limit: 9 }))).items.map(({ clusterName }) => clusterName),
    put: (clusterName: string) => store.write((tx) => tx.clusters.put(aCluster({ clusterName }))),
    close: () => store.close(),
  };
}

async function make(folder: string, clusters: readonly string[]): Promise<void> {
  const control = await open(folder);
  for (const name of clusters) await control.put(name);
  await control.close();
}

async function save(state: State, file: string): Promise<void> {
  const chunks = await Array.fromAsync(await openBackup({ config: state, clock, breathe }));
  writeFileSync(file, gzipSync(chunks.join('')));
}

function restore(folder = home): Promise<Restored> {
  return restoreBackup(backup, stateIn(folder), clock);
}

/** What the folder says: its names, the keys, and the clusters of its database. */
async function contentOf(folder: string): Promise<object> {
  const names = readdirSync(folder).filter((name) => !name.endsWith('-wal') && !name.endsWith('-shm'));
  const keys = names
    .filter((name) => !name.includes('.sqlite'))
    .map((name) => readFileSync(join(folder, name), 'utf8'));
  const control = await open(folder);
  const clusters = await control.clusters();
  await control.close();
  return { names, keys, clusters };
}

beforeEach(async () => {
  home = aFolder();
  backup = join(aFolder(), 'first.backup');
  loadSecrets({ home }, seededIds(seededRandom(1)));
  await make(home, ['default']);
  await save(stateIn(home), backup);
  await make(home, ['later']);
});

describe('a backup is restored', () => {
  it('over what came later, which is kept beside it', async () => {
    const { suffix } = await restore();
    const control = await open(home);
    expect(await control.clusters()).toEqual(['default']);
    await control.close();
    expect(existsSync(join(home, `control.sqlite${suffix}`))).toBe(true);
    expect(statSync(join(home, 'control.sqlite')).mode & 0o777).toBe(0o600);
  });

  it('on another machine with its keys, which are private', async () => {
    const other = join(aFolder(), 'new');
    expect(await restore(other)).toMatchObject({ files: 2, createdAt: clock.now() });
    for (const name of ['admin-credentials.json', 'agent-token']) {
      expect(readFileSync(join(other, name), 'utf8')).toBe(readFileSync(join(home, name), 'utf8'));
      expect(statSync(join(other, name)).mode & 0o777).toBe(0o600);
    }
    const control = await open(other);
    expect(await control.clusters()).toEqual(['default']);
    await control.close();
  });

  it('over other keys, which are kept beside its own', async () => {
    const other = aFolder();
    const own = loadSecrets({ home: other }, seededIds(seededRandom(2))).agentToken;
    const { suffix } = await restore(other);
    expect(readFileSync(join(other, `agent-token${suffix}`), 'utf8').trim()).toBe(own);
    expect(readFileSync(join(other, 'agent-token'), 'utf8')).toBe(readFileSync(join(home, 'agent-token'), 'utf8'));
  });
});

describe('nothing is changed', () => {
  async function refused(): Promise<unknown> {
    const before = await contentOf(home);
    const error: unknown = await restore().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(await contentOf(home)).toEqual(before);
    return error;
  }

  it('while control runs', async () => {
    const control = await open(home);
    await expect(restore()).rejects.toMatchObject({
      name: 'StoreOpenError',
      problem: 'locked',
      message: expect.stringContaining('stop control first'),
    });
    expect(await control.clusters()).toEqual(['default', 'later']);
    await control.close();
  });

  it('by a file that breaks off', async () => {
    truncateSync(backup, statSync(backup).size - 20);
    expect(await refused()).toMatchObject({ name: 'BackupError', message: expect.stringContaining(backup) });
  });

  it('by a backup without its last line', async () => {
    const lines = gunzipSync(readFileSync(backup)).toString().trimEnd().split('\n');
    writeFileSync(backup, gzipSync(`${lines.slice(0, -1).join('\n')}\n`));
    expect(await refused()).toMatchObject({
      message: `the backup is not whole: it breaks off after line ${lines.length - 1}`,
    });
  });

  it('by a backup that lacks a row', async () => {
    const lines = gunzipSync(readFileSync(backup)).toString().trimEnd().split('\n');
    writeFileSync(backup, gzipSync(`${lines.filter((line) => !line.includes('"clusters"')).join('\n')}\n`));
    expect(await refused()).toMatchObject({ message: expect.stringContaining('it has 0 of 1 rows') });
  });

  it.each([
    ['something else', Buffer.from('SQLite format 3')],
    ['something else, packed', gzipSync('hello\n')],
    ['nothing', Buffer.alloc(0)],
    ['a backup of a later form', gzipSync('{"kind":"berth backup","format":2}\n')],
  ])('by %s', async (_what, content) => {
    writeFileSync(backup, content);
    expect(await refused()).toMatchObject({ name: 'BackupError' });
  });

  it('by a file that names a file outside the folder', async () => {
    const [manifest] = gunzipSync(readFileSync(backup)).toString().split('\n');
    const evil = [manifest, '{"file":"../evil","text":"x"}', '{"end":{"files":1,"rows":0}}'];
    writeFileSync(backup, gzipSync(`${evil.join('\n')}\n`));
    expect(await refused()).toMatchObject({ name: 'BackupError', message: expect.stringContaining('line 2') });
  });

  it('where the file is not there', async () => {
    rmSync(backup);
    expect(await refused()).toMatchObject({ message: expect.stringContaining('ENOENT') });
  });
});

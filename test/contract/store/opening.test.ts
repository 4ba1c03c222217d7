/** What a person is told when a database cannot be opened or holds what it should not, and who may read its file. */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPostgresStore } from '#control/store/postgres.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import { ManualClock } from '#test/support/manual-clock.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { aTask } from '#test/support/builders/a-task.ts';

describe('a SQLite file', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'berth-store-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function permissions(path: string): string {
    return (statSync(path).mode & 0o777).toString(8);
  }

  it('is made with its folders, for the eyes of its owner only', async () => {
    const path = join(folder, 'new', 'deeper', 'control.sqlite');
    const store = await createSqliteStore({ path });
    await store.write((tx) => tx.clusters.put(aCluster()));
    expect(permissions(join(folder, 'new'))).toBe('700');
    expect(permissions(path)).toBe('600');
    expect(permissions(`${path}-wal`)).toBe('600');
    await store.close();
  });

  it('that everybody could read is closed to others', async () => {
    const path = join(folder, 'control.sqlite');
    writeFileSync(path, '', { mode: 0o644 });
    await (await createSqliteStore({ path })).close();
    expect(permissions(path)).toBe('600');
  });

  it('that is something else is refused and left as it is', async () => {
    const path = join(folder, 'notes.txt');
    writeFileSync(
      path,
      'bread, butter, milk, and a good deal more than a hundred characters of other things\n'.repeat(3),
    );
    await expect(createSqliteStore({ path })).rejects.toMatchObject({
      name: 'StoreOpenError',
      problem: 'notADatabase',
      message: `${path} is not a SQLite database`,
    });
  });

  it('that is a folder cannot be opened', async () => {
    const path = join(folder, 'control.sqlite');
    mkdirSync(path);
    await expect(createSqliteStore({ path })).rejects.toMatchObject({
      problem: 'unreachable',
      message: expect.stringContaining(`cannot open the database ${path}: EISDIR`),
    });
  });

  it('that another process keeps locked is given up after a while, in the time of the clock', async () => {
    const path = join(folder, 'control.sqlite');
    await (await createSqliteStore({ path })).close();
    const holder = new DatabaseSync(path);
    holder.exec('pragma locking_mode = exclusive; begin immediate; create table lock (id integer)');
    const clock = new ManualClock();
    const opening = createSqliteStore({ path, clock });
    const outcome = expect(opening).rejects.toMatchObject({
      problem: 'locked',
      message: `the database ${path} is locked by another process`,
    });
    for (let turn = 0; turn < 6; turn++) await clock.advanceTo((clock.nextTimerAt() ?? clock.now()) + 1_000);
    await outcome;
    holder.close();
  });

  it('gives a precise error for a row that is no JSON, and serves the others', async () => {
    const path = join(folder, 'control.sqlite');
    const [broken, sound] = [aTask(), aTask()];
    const store = await createSqliteStore({ path });
    await store.write((tx) => tx.tasks.putMany([broken, sound]));
    const editor = new DatabaseSync(path);
    editor.prepare('update tasks set document = ? where task_arn = ?').run('{"taskArn": "arn', broken.taskArn);
    editor.close();
    await expect(store.read((tx) => tx.tasks.get(broken.taskArn))).rejects.toMatchObject({
      name: 'CorruptRowError',
      table: 'tasks',
      key: broken.taskArn,
      cause: expect.any(SyntaxError),
    });
    expect(await store.read((tx) => tx.tasks.get(sound.taskArn))).toEqual(sound);
    await store.close();
  });

  it.each(['null', '[]', '"text"'])('gives a precise error for a document that is %s', async (document) => {
    const path = join(folder, 'control.sqlite');
    const store = await createSqliteStore({ path });
    await store.write((tx) => tx.clusters.put(aCluster()));
    const editor = new DatabaseSync(path);
    editor.prepare('update clusters set document = ?').run(document);
    editor.close();
    await expect(store.read((tx) => tx.clusters.get('default'))).rejects.toThrow(
      'the row default of the table clusters is corrupt: its document is not a JSON object',
    );
    await store.close();
  });
});

describe('a PostgreSQL database', () => {
  it('that cannot be reached is named without the password', async () => {
    const error = await createPostgresStore({ url: 'postgres://berth:s3cret@127.0.0.1:1/berth' }).catch(String);
    expect(error).toContain('cannot reach the PostgreSQL database 127.0.0.1:1/berth: connect ECONNREFUSED');
    expect(error).not.toContain('s3cret');
  });

  it('with a malformed URL is refused without repeating it', async () => {
    await expect(createPostgresStore({ url: 'postgres//berth:s3cret@db' })).rejects.toMatchObject({
      problem: 'unreachable',
      message: 'the URL of the PostgreSQL database is malformed',
    });
  });
});

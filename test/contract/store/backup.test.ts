/** A backup: all rows as they were at one moment, read beside a store that goes on, and put into an empty database of either kind. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { restoreBackup } from '#control/backup/restore.ts';
import { writeMigrationBackup } from '#control/backup/write-backup.ts';
import type { StoreConfig } from '#control/config.ts';
import { openDump, type StoreDump } from '#control/store/dump.ts';
import { loadDump } from '#control/store/load-dump.ts';
import { schemaMigrations } from '#control/store/migrations/migrations.ts';
import type { Store } from '#control/store/store.ts';
import { breathe } from '#lib/clock.ts';
import type { BackupRowLine } from '#protocol/backup.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { ManualClock } from '#test/support/manual-clock.ts';
import { durableStoreKinds, useStores } from './store-kinds.ts';

const clock = new ManualClock();
const scratch = mkdtempSync(join(tmpdir(), 'berth-backup-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function configOf(address: string): StoreConfig {
  return address.startsWith('sqlite:')
    ? { kind: 'sqlite', path: address.slice('sqlite:'.length) }
    : { kind: 'postgres', url: address };
}

async function dumpOf(address: string): Promise<StoreDump> {
  const dump = await openDump(configOf(address));
  onTestFinished(() => dump.close());
  return dump;
}

async function rowsOf(address: string): Promise<BackupRowLine[]> {
  return Array.fromAsync((await dumpOf(address)).rows());
}

async function fill(store: Store, tasks: number): Promise<void> {
  await store.write(async (tx) => {
    await tx.clusters.put(aCluster());
    await tx.services.put(aService({ serviceName: 'web' }));
    await tx.containerInstances.put(aContainerInstance({ hostname: 'räck-1 “a”' }));
    await tx.tasks.putMany(Array.from({ length: tasks }, () => aTask({ serviceName: 'web' })));
  });
}

describe.each(durableStoreKinds)('a backup of $name', (kind) => {
  const stores = useStores(kind);

  it('has every row of the moment at which it was begun, and none that came later', async () => {
    const place = await stores.newPlace();
    const store = await place.open();
    await fill(store, 1200);
    const dump = await dumpOf(place.address);
    const rows = dump.rows();
    const first = await rows.next();
    await store.write((tx) => tx.tasks.put(aTask()));
    const all = [first.value, ...(await Array.fromAsync(rows))];
    expect(all.filter((line) => line?.table === 'tasks')).toHaveLength(1200);
  });

  describe.each(durableStoreKinds)('restored to $name', (target) => {
    const targets = useStores(target);

    it('is the same, and works on', async () => {
      const [place, other] = [await stores.newPlace(), await targets.newPlace()];
      await fill(await place.open(), 450);
      await loadDump(configOf(other.address), await dumpOf(place.address).then(loaded));
      expect(await rowsOf(other.address)).toEqual(await rowsOf(place.address));
      const restored = await other.open();
      expect(await restored.read((tx) => tx.tasks.counts({ clusterName: 'default' }))).toMatchObject({ running: 450 });
      await restored.write((tx) => tx.tasks.put(aTask()));
    });

    it('does not touch a database that has something', async () => {
      const [place, other] = [await stores.newPlace(), await targets.newPlace()];
      await fill(await place.open(), 1);
      await fill(await other.open(), 2);
      const load = loadDump(configOf(other.address), await dumpOf(place.address).then(loaded));
      await expect(load).rejects.toMatchObject({ name: 'StoreOpenError', problem: 'notEmpty' });
      expect((await rowsOf(other.address)).filter(({ table }) => table === 'tasks')).toHaveLength(2);
    });

    it('leaves nothing half restored when its rows break off', async () => {
      const [place, other] = [await stores.newPlace(), await targets.newPlace()];
      await fill(await place.open(), 450);
      const { migrations, rows } = await dumpOf(place.address);
      const broken = async function* (): AsyncGenerator<BackupRowLine> {
        let count = 0;
        for await (const row of rows()) {
          if (count++ === 300) throw new Error('breaks off');
          yield row;
        }
      };
      const load = loadDump(configOf(other.address), { migrations, rows: broken() });
      await expect(load).rejects.toThrow('breaks off');
      expect(await rowsOf(other.address)).toEqual([]);
    });
  });

  it('of an older version is brought forward', async () => {
    const [place, other] = [await stores.newPlace(), await stores.newPlace()];
    const [first] = schemaMigrations;
    if (first === undefined) throw new Error('there are no migrations');
    const old = await place.open({ migrations: [first] });
    await old.write((tx) => tx.clusters.put(aCluster()));
    await loadDump(configOf(other.address), await dumpOf(place.address).then(loaded));
    expect(await (await other.open()).read((tx) => tx.clusters.get('default'))).toEqual(aCluster());
  });

  it('of a newer version is refused by name', async () => {
    const [place, other] = [await stores.newPlace(), await stores.newPlace()];
    await place.open();
    const { migrations, rows } = await dumpOf(place.address);
    const load = loadDump(configOf(other.address), { migrations: [...migrations, '9000_later'], rows: rows() });
    await expect(load).rejects.toMatchObject({
      problem: 'newerSchema',
      message: expect.stringContaining('9000_later'),
    });
  });

  it('is made before an upgrade, which waits for it; the newest three are kept', async () => {
    const place = await stores.newPlace();
    const home = mkdtempSync(join(scratch, 'home-'));
    await (await place.open()).write((tx) => tx.clusters.put(aCluster()));
    const backup = (): Promise<string> =>
      writeMigrationBackup({ config: { store: configOf(place.address), home }, clock, breathe });
    const paths: string[] = [];
    for (const number of [1, 2, 3, 4]) {
      await clock.advance(1000);
      const migrations = [
        ...schemaMigrations,
        ...Array.from({ length: number }, (_, index) => harmless(`9${index}00_more`)),
      ];
      const beforeMigrating = async (): Promise<void> => void paths.push(await backup());
      await (await place.open({ migrations, beforeMigrating })).close();
    }
    expect(readdirSync(join(home, 'backups'))).toEqual(paths.slice(1).map((path) => path.split('/').at(-1)));
  });

  it('that was made before an upgrade can be restored', async () => {
    const place = await stores.newPlace();
    const home = mkdtempSync(join(scratch, 'home-'));
    await (await place.open()).write((tx) => tx.clusters.put(aCluster({ clusterName: 'edge' })));
    const path = await writeMigrationBackup({ config: { store: configOf(place.address), home }, clock, breathe });
    const restored = { kind: 'sqlite' as const, path: join(home, 'restored.sqlite') };
    expect(await restoreBackup(path, { store: restored, home }, clock)).toMatchObject({
      rows: 1,
      createdAt: clock.now(),
    });
    expect(await rowsOf(`sqlite:${restored.path}`)).toEqual(await rowsOf(place.address));
  });

  it('that cannot be made keeps the database as it is', async () => {
    const place = await stores.newPlace();
    await (await place.open()).close();
    const migrations = [...schemaMigrations, harmless('9000_more')];
    const beforeMigrating = (): Promise<void> => Promise.reject(new Error('no space left on device'));
    await expect(place.open({ migrations, beforeMigrating })).rejects.toMatchObject({ problem: 'backupFailed' });
    expect((await dumpOf(place.address)).migrations).not.toContain('9000_more');
  });

  it('is not made of a database that has no schema yet', async () => {
    const place = await stores.newPlace();
    const store = await place.open({ beforeMigrating: () => Promise.reject(new Error('there is nothing to save')) });
    await expect(store.ping()).resolves.toBeUndefined();
  });
});

function loaded({ migrations, rows }: StoreDump): {
  migrations: readonly string[];
  rows: AsyncIterable<BackupRowLine>;
} {
  return { migrations, rows: rows() };
}

function harmless(name: string) {
  return { name, breaking: false, up: () => Promise.resolve() };
}

/** Schema changes: forward only, and an older program keeps away from what it could misread. */
import { sql, type Kysely } from 'kysely';
import { describe, expect, it } from 'vitest';
import { schemaMigrations, type SchemaMigration } from '#control/store/migrations/migrations.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { durableStoreKinds, useStores } from './store-kinds.ts';

function aMigration(name: string, breaking: boolean): SchemaMigration {
  return {
    name,
    breaking,
    async up(db) {
      await db.schema.createTable(`table_${name}`).addColumn('id', 'integer').execute();
    },
  };
}

async function makingTheTable(db: Kysely<unknown>): Promise<void> {
  await db.schema.createTable('half_made').addColumn('id', 'integer').execute();
}

const failing: SchemaMigration = {
  name: '9999_failing',
  breaking: false,
  async up(db) {
    await makingTheTable(db);
    await sql`select * from no_such_table`.execute(db);
  },
};

describe.each(durableStoreKinds)('migrations of $name', (kind) => {
  const stores = useStores(kind);

  it('are added to a database that has data, and run once', async () => {
    const place = await stores.newPlace();
    const before = await place.open();
    await before.write((tx) => tx.clusters.put(aCluster()));
    await before.close();
    const migrations = [...schemaMigrations, aMigration('9000_more', true)];
    await (await place.open({ migrations })).close();
    const after = await place.open({ migrations });
    expect(await after.read((tx) => tx.clusters.get('default'))).toEqual(aCluster());
  });

  it('of a newer program are accepted by an older one unless they break it', async () => {
    const place = await stores.newPlace();
    await (await place.open({ migrations: [...schemaMigrations, aMigration('9000_harmless', false)] })).close();
    const older = await place.open();
    await older.write((tx) => tx.clusters.put(aCluster()));
    expect(await older.read((tx) => tx.clusters.get('default'))).toEqual(aCluster());
  });

  it('of a newer program keep an older one away when they break it, and say what to do', async () => {
    const place = await stores.newPlace();
    const newer = [...schemaMigrations, aMigration('9000_harmless', false), aMigration('9001_renamed', true)];
    await (await place.open({ migrations: newer })).close();
    await expect(place.open()).rejects.toMatchObject({
      name: 'StoreOpenError',
      problem: 'newerSchema',
      message: expect.stringMatching(
        /newer version of Berth \(9001_renamed_breaking\); start that version or a later one/,
      ),
    });
    await place.open({ migrations: newer });
  });

  it('that fail leave nothing half made', async () => {
    const place = await stores.newPlace();
    await expect(place.open({ migrations: [...schemaMigrations, failing] })).rejects.toMatchObject({
      name: 'StoreOpenError',
      problem: 'migrationFailed',
      cause: expect.objectContaining({ message: expect.stringContaining('no_such_table') }),
    });
    const repaired = { ...failing, up: makingTheTable };
    await place.open({ migrations: [...schemaMigrations, repaired] });
  });
});

/** The capacity providers that users made. */
import type { Kysely } from 'kysely';
import type { CapacityProvider } from '#model/capacity-provider.ts';
import type { CapacityProviderTable } from '../store.ts';
import { decodeDocument } from './documents.ts';
import { rowsForPage, toPage, upsert } from './queries.ts';
import type { CapacityProviderRow, Database } from './schema.ts';

export function capacityProviderTable(db: Kysely<Database>): CapacityProviderTable {
  return {
    async get(name) {
      const row = await db.selectFrom('capacity_providers').selectAll().where('name', '=', name).executeTakeFirst();
      return row && fromRow(row);
    },

    async getMany(names) {
      if (names.length === 0) return [];
      const rows = await db
        .selectFrom('capacity_providers')
        .selectAll()
        .where('name', 'in', names)
        .orderBy('name')
        .execute();
      return rows.map(fromRow);
    },

    put: (provider) =>
      upsert(db, 'capacity_providers', ['name'], [{ name: provider.name, document: JSON.stringify(provider) }]),

    async delete(name) {
      await db.deleteFrom('capacity_providers').where('name', '=', name).execute();
    },

    async list(page) {
      let query = db.selectFrom('capacity_providers').selectAll().orderBy('name').limit(rowsForPage(page));
      if (page.after !== undefined) query = query.where('name', '>', page.after);
      return toPage(await query.execute(), page, (row) => row.name, fromRow);
    },
  };
}

function fromRow(row: CapacityProviderRow): CapacityProvider {
  return decodeDocument('capacity_providers', row.name, row.document);
}

/** Account settings: the account's defaults and those of single principals. */
import type { Kysely } from 'kysely';
import type { AccountSettingTable } from '../store.ts';
import { upsert } from './queries.ts';
import type { Database } from './schema.ts';

export function accountSettingTable(db: Kysely<Database>): AccountSettingTable {
  return {
    async list() {
      const rows = await db
        .selectFrom('account_settings')
        .selectAll()
        .orderBy('principal_arn')
        .orderBy('name')
        .execute();
      return rows.map((row) => ({ principalArn: row.principal_arn, name: row.name, value: row.value }));
    },

    put: ({ principalArn, name, value }) =>
      upsert(db, 'account_settings', ['principal_arn', 'name'], [{ principal_arn: principalArn, name, value }]),

    async delete(principalArn, name) {
      await db
        .deleteFrom('account_settings')
        .where('principal_arn', '=', principalArn)
        .where('name', '=', name)
        .execute();
    },
  };
}

/** The keys with which clients sign. The secret is kept in plain text: a signature can only be checked with the secret itself. */
import type { Kysely } from 'kysely';
import type { AccessKey, AccessKeyTable } from '../store.ts';
import { upsert } from './queries.ts';
import type { AccessKeyRow, Database } from './schema.ts';

export function accessKeyTable(db: Kysely<Database>): AccessKeyTable {
  return {
    async get(accessKeyId) {
      const row = await db
        .selectFrom('access_keys')
        .selectAll()
        .where('access_key_id', '=', accessKeyId)
        .executeTakeFirst();
      return row && fromRow(row);
    },

    put: (key) =>
      upsert(
        db,
        'access_keys',
        ['access_key_id'],
        [
          {
            access_key_id: key.accessKeyId,
            secret_access_key: key.secretAccessKey,
            principal_arn: key.principalArn,
            created_at: key.createdAt,
          },
        ],
      ),

    async list() {
      return (await db.selectFrom('access_keys').selectAll().orderBy('access_key_id').execute()).map(fromRow);
    },
  };
}

function fromRow(row: AccessKeyRow): AccessKey {
  return {
    accessKeyId: row.access_key_id,
    secretAccessKey: row.secret_access_key,
    principalArn: row.principal_arn,
    createdAt: row.created_at,
  };
}

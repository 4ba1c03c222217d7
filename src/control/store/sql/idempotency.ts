/** What idempotent requests answered. */
import type { Kysely } from 'kysely';
import type { IdempotencyTable } from '../store.ts';
import { decodeStrings } from './documents.ts';
import { upsert } from './queries.ts';
import type { Database } from './schema.ts';

export function idempotencyTable(db: Kysely<Database>): IdempotencyTable {
  return {
    async get(scope, clientToken) {
      const row = await db
        .selectFrom('idempotency')
        .selectAll()
        .where('scope', '=', scope)
        .where('client_token', '=', clientToken)
        .executeTakeFirst();
      if (row === undefined) return undefined;
      return {
        scope,
        clientToken,
        requestHash: row.request_hash,
        resources: decodeStrings('idempotency', `${scope} ${clientToken}`, row.resources),
        createdAt: row.created_at,
        expiresAt: row.expires_at,
      };
    },

    put: (record) =>
      upsert(
        db,
        'idempotency',
        ['scope', 'client_token'],
        [
          {
            scope: record.scope,
            client_token: record.clientToken,
            request_hash: record.requestHash,
            resources: JSON.stringify(record.resources),
            created_at: record.createdAt,
            expires_at: record.expiresAt,
          },
        ],
      ),

    async deleteExpired(now) {
      const { numDeletedRows } = await db.deleteFrom('idempotency').where('expires_at', '<=', now).executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

/** Activations, with which machines join, and the certificates of joined machines. */
import { sql, type Kysely } from 'kysely';
import type { ColumnTypes } from './column-types.ts';

export async function machineTrust(db: Kysely<unknown>, { key, text, integer }: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('activations')
    .addColumn('activation_id', key, (column) => column.notNull().primaryKey())
    .addColumn('expires_at', integer, (column) => column.notNull())
    .addColumn('document', text, (column) => column.notNull())
    .execute();

  await db.schema
    .createTable('machine_certificates')
    .addColumn('serial', key, (column) => column.notNull().primaryKey())
    .addColumn('machine_id', key, (column) => column.notNull())
    .addColumn('not_after', integer, (column) => column.notNull())
    .addColumn('document', text, (column) => column.notNull())
    .execute();
  await sql`create index machine_certificates_by_machine
    on machine_certificates (machine_id, not_after, serial)`.execute(db);
  await sql`create index machine_certificates_by_end on machine_certificates (not_after, serial)`.execute(db);
}

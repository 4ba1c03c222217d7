/** Capacity providers, which of them a task uses, and an index over the tasks that wait for a place. */
import { sql, type Kysely } from 'kysely';
import type { ColumnTypes } from './column-types.ts';

export async function capacityProviders(db: Kysely<unknown>, { key, text }: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('capacity_providers')
    .addColumn('name', key, (column) => column.notNull().primaryKey())
    .addColumn('document', text, (column) => column.notNull())
    .execute();
  await db.schema.alterTable('tasks').addColumn('capacity_provider', key).execute();
  await sql`create index tasks_waiting on tasks (cluster_name, task_arn)
    where last_status = 'PROVISIONING'`.execute(db);
}

/** When a service gave a task up: counts and placement ask for it without the document. */
import type { Kysely } from 'kysely';
import type { ColumnTypes } from './column-types.ts';

export async function lostTasks(db: Kysely<unknown>, { integer }: ColumnTypes): Promise<void> {
  await db.schema.alterTable('tasks').addColumn('lost_at', integer).execute();
}

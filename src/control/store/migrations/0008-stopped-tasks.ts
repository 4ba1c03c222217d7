/**
 * With SQLite, tasks that have not STOPPED are looked up in memory: indexes over them are only written, each in a page of its own for each task. Those over
 * STOPPED ones stay, and cost nothing before a task ends. PostgreSQL looks everything up in its indexes.
 */
import { sql, type Kysely } from 'kysely';
import type { ColumnTypes } from './column-types.ts';

const superfluous = [
  'tasks_by_cluster',
  'tasks_by_family',
  'tasks_by_service',
  'tasks_by_starter',
  'tasks_by_instance',
  'tasks_live_by_cluster',
  'tasks_live_by_instance',
  'tasks_live_by_definition',
  'tasks_waiting',
];

export async function stoppedTasks(db: Kysely<unknown>, { database }: ColumnTypes): Promise<void> {
  if (database !== 'SQLite') return;
  for (const name of superfluous) await db.schema.dropIndex(name).execute();
  await sql`create index tasks_stopped_by_cluster on tasks (cluster_name, task_arn)
    where last_status = 'STOPPED'`.execute(db);
  await sql`create index tasks_stopped_by_instance on tasks (container_instance_arn, assignment_number)
    where last_status = 'STOPPED'`.execute(db);
}

/**
 * How far the line of assignments of an instance is, when it moved since the instance itself was written: every launch moves the lines of many instances, and
 * these rows are as small as the documents of instances are large.
 */
import type { Kysely } from 'kysely';
import type { ColumnTypes } from './column-types.ts';

export async function assignmentLines(db: Kysely<unknown>, { key, integer }: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('assignment_lines')
    .addColumn('container_instance_arn', key, (column) => column.notNull().primaryKey())
    .addColumn('assignment_number', integer, (column) => column.notNull())
    .execute();
}

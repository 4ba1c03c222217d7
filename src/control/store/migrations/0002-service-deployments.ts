/** The history of services. */
import { sql, type Kysely } from 'kysely';
import type { ColumnTypes } from './column-types.ts';

export async function serviceDeployments(db: Kysely<unknown>, { key, text, integer }: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('service_deployments')
    .addColumn('service_deployment_arn', key, (column) => column.notNull().primaryKey())
    .addColumn('service_arn', key, (column) => column.notNull())
    .addColumn('status', text, (column) => column.notNull())
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('document', text, (column) => column.notNull())
    .execute();
  await sql`create index service_deployments_by_service
    on service_deployments (service_arn, created_at, service_deployment_arn)`.execute(db);

  await db.schema
    .createTable('service_revisions')
    .addColumn('service_revision_arn', key, (column) => column.notNull().primaryKey())
    .addColumn('service_arn', key, (column) => column.notNull())
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('document', text, (column) => column.notNull())
    .execute();
  await sql`create index service_revisions_by_service
    on service_revisions (service_arn, created_at, service_revision_arn)`.execute(db);
}

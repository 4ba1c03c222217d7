/** The first schema. */
import { sql, type Kysely } from 'kysely';
import type { ColumnTypes } from './column-types.ts';

export async function initial(db: Kysely<unknown>, { key, text, integer }: ColumnTypes): Promise<void> {
  await db.schema
    .createTable('clusters')
    .addColumn('cluster_name', key, (column) => column.notNull().primaryKey())
    .addColumn('status', text, (column) => column.notNull())
    .addColumn('document', text, (column) => column.notNull())
    .execute();

  await db.schema
    .createTable('task_definitions')
    .addColumn('family', key, (column) => column.notNull())
    .addColumn('revision', integer, (column) => column.notNull())
    .addColumn('task_definition_arn', key, (column) => column.notNull().unique())
    .addColumn('status', text, (column) => column.notNull())
    .addColumn('document', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('task_definitions_key', ['family', 'revision'])
    .execute();
  await db.schema
    .createTable('task_definition_families')
    .addColumn('family', key, (column) => column.notNull().primaryKey())
    .addColumn('last_revision', integer, (column) => column.notNull())
    .execute();

  await db.schema
    .createTable('container_instances')
    .addColumn('container_instance_arn', key, (column) => column.notNull().primaryKey())
    .addColumn('cluster_name', key, (column) => column.notNull())
    .addColumn('machine_id', key, (column) => column.notNull())
    .addColumn('status', text, (column) => column.notNull())
    .addColumn('document', text, (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex('container_instances_by_cluster')
    .on('container_instances')
    .columns(['cluster_name', 'container_instance_arn'])
    .execute();
  await sql`create unique index container_instances_live_machine on container_instances (cluster_name, machine_id)
    where status <> 'INACTIVE'`.execute(db);

  await db.schema
    .createTable('tasks')
    .addColumn('task_arn', key, (column) => column.notNull().primaryKey())
    .addColumn('cluster_name', key, (column) => column.notNull())
    .addColumn('container_instance_arn', key)
    .addColumn('task_definition_arn', key, (column) => column.notNull())
    .addColumn('family', key, (column) => column.notNull())
    .addColumn('service_name', key)
    .addColumn('task_group', text, (column) => column.notNull())
    .addColumn('started_by', key)
    .addColumn('launch_type', text, (column) => column.notNull())
    .addColumn('desired_status', text, (column) => column.notNull())
    .addColumn('last_status', text, (column) => column.notNull())
    .addColumn('stopped_at', integer)
    .addColumn('assignment_number', integer, (column) => column.notNull())
    .addColumn('resources', text, (column) => column.notNull())
    .addColumn('gpu_ids', text, (column) => column.notNull())
    .addColumn('document', text, (column) => column.notNull())
    .execute();
  await sql`create index tasks_by_cluster on tasks (cluster_name, task_arn)`.execute(db);
  await sql`create index tasks_by_family on tasks (cluster_name, family, task_arn)`.execute(db);
  await sql`create index tasks_by_service on tasks (cluster_name, service_name, task_arn)
    where service_name is not null`.execute(db);
  await sql`create index tasks_by_starter on tasks (cluster_name, started_by, task_arn)
    where started_by is not null`.execute(db);
  await sql`create index tasks_by_instance on tasks (container_instance_arn, assignment_number)
    where container_instance_arn is not null`.execute(db);
  // The counts are answered out of these two alone.
  await sql`create index tasks_live_by_cluster on tasks (cluster_name, task_arn, last_status)
    where last_status <> 'STOPPED'`.execute(db);
  await sql`create index tasks_live_by_instance on tasks (cluster_name, container_instance_arn, last_status)
    where last_status <> 'STOPPED'`.execute(db);
  await sql`create index tasks_live_by_definition on tasks (task_definition_arn)
    where last_status <> 'STOPPED'`.execute(db);
  await sql`create index tasks_stopped_by_time on tasks (stopped_at, task_arn)
    where last_status = 'STOPPED'`.execute(db);

  await db.schema
    .createTable('services')
    .addColumn('cluster_name', key, (column) => column.notNull())
    .addColumn('service_name', key, (column) => column.notNull())
    .addColumn('service_arn', key, (column) => column.notNull().unique())
    .addColumn('status', text, (column) => column.notNull())
    .addColumn('launch_type', text, (column) => column.notNull())
    .addColumn('scheduling_strategy', text, (column) => column.notNull())
    .addColumn('task_definition_arns', text, (column) => column.notNull())
    .addColumn('document', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('services_key', ['cluster_name', 'service_name'])
    .execute();

  await db.schema
    .createTable('idempotency')
    .addColumn('scope', key, (column) => column.notNull())
    .addColumn('client_token', key, (column) => column.notNull())
    .addColumn('request_hash', text, (column) => column.notNull())
    .addColumn('resources', text, (column) => column.notNull())
    .addColumn('created_at', integer, (column) => column.notNull())
    .addColumn('expires_at', integer, (column) => column.notNull())
    .addPrimaryKeyConstraint('idempotency_key', ['scope', 'client_token'])
    .execute();
  await db.schema.createIndex('idempotency_by_expiry').on('idempotency').column('expires_at').execute();

  await db.schema
    .createTable('account_settings')
    .addColumn('principal_arn', key, (column) => column.notNull())
    .addColumn('name', key, (column) => column.notNull())
    .addColumn('value', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('account_settings_key', ['principal_arn', 'name'])
    .execute();

  await db.schema
    .createTable('access_keys')
    .addColumn('access_key_id', key, (column) => column.notNull().primaryKey())
    .addColumn('secret_access_key', text, (column) => column.notNull())
    .addColumn('principal_arn', key, (column) => column.notNull())
    .addColumn('created_at', integer, (column) => column.notNull())
    .execute();
}

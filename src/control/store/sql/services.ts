/** The services table. */
import type { Kysely } from 'kysely';
import type { Service } from '#model/service.ts';
import type { ChangeRecorder } from '../change-set.ts';
import type { ServiceTable } from '../store.ts';
import { decodeDocument } from './documents.ts';
import { rowsForPage, toPage, upsert } from './queries.ts';
import type { Database, ServiceRow } from './schema.ts';

export function serviceTable(db: Kysely<Database>, recorder: ChangeRecorder): ServiceTable {
  return {
    async get(clusterName, serviceName) {
      const row = await db
        .selectFrom('services')
        .selectAll()
        .where('cluster_name', '=', clusterName)
        .where('service_name', '=', serviceName)
        .executeTakeFirst();
      return row && fromRow(row);
    },

    async put(service) {
      await upsert(db, 'services', ['cluster_name', 'service_name'], [toRow(service)]);
      recorder.service(service.serviceArn);
    },

    async delete(clusterName, serviceName) {
      const deleted = await db
        .deleteFrom('services')
        .where('cluster_name', '=', clusterName)
        .where('service_name', '=', serviceName)
        .returning('service_arn')
        .executeTakeFirst();
      if (deleted !== undefined) recorder.service(deleted.service_arn);
    },

    async list({ clusterName, statuses, launchType, schedulingStrategy }, page) {
      let query = db.selectFrom('services').selectAll().orderBy('service_arn').limit(rowsForPage(page));
      if (clusterName !== undefined) query = query.where('cluster_name', '=', clusterName);
      if (statuses !== undefined) query = query.where('status', 'in', statuses);
      if (launchType !== undefined) query = query.where('launch_type', '=', launchType);
      if (schedulingStrategy !== undefined) query = query.where('scheduling_strategy', '=', schedulingStrategy);
      if (page.after !== undefined) query = query.where('service_arn', '>', page.after);
      return toPage(await query.execute(), page, (row) => row.service_arn, fromRow);
    },
  };
}

/** ARNs of the definitions that the service and its deployments use. */
export function definitionsOf(service: Service): Set<string> {
  const definitions = new Set([service.taskDefinitionArn]);
  for (const deployment of service.deployments) {
    if (deployment.status !== 'INACTIVE') definitions.add(deployment.taskDefinitionArn);
  }
  definitions.delete('');
  return definitions;
}

function toRow(service: Service): ServiceRow {
  return {
    cluster_name: service.clusterName,
    service_name: service.serviceName,
    service_arn: service.serviceArn,
    status: service.status,
    launch_type: service.launchType,
    scheduling_strategy: service.schedulingStrategy,
    task_definition_arns: JSON.stringify([...definitionsOf(service)]),
    document: JSON.stringify(service),
  };
}

function fromRow(row: ServiceRow): Service {
  return decodeDocument('services', row.service_arn, row.document);
}

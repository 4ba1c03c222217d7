/** The tables of service deployments and service revisions. Lists of either are newest first. */
import { sql, type Kysely } from 'kysely';
import type { ServiceDeployment, ServiceRevision } from '#model/service-deployment.ts';
import type { ServiceDeploymentTable, ServiceRevisionTable } from '../store.ts';
import { decodeDocument } from './documents.ts';
import { chunks, rowsForPage, toPage, upsert } from './queries.ts';
import type { Database, ServiceDeploymentRow, ServiceRevisionRow } from './schema.ts';

export function serviceDeploymentTable(db: Kysely<Database>): ServiceDeploymentTable {
  return {
    async get(arn) {
      const row = await db
        .selectFrom('service_deployments')
        .selectAll()
        .where('service_deployment_arn', '=', arn)
        .executeTakeFirst();
      return row && deploymentOf(row);
    },

    async put(deployment) {
      await upsert(db, 'service_deployments', ['service_deployment_arn'], [rowOfDeployment(deployment)]);
    },

    async list({ serviceArn, statuses, createdAfter, createdBefore }, page) {
      let query = db
        .selectFrom('service_deployments')
        .selectAll()
        .where('service_arn', '=', serviceArn)
        .orderBy('created_at', 'desc')
        .orderBy('service_deployment_arn', 'desc')
        .limit(rowsForPage(page));
      if (statuses !== undefined) query = query.where('status', 'in', statuses);
      if (createdAfter !== undefined) query = query.where('created_at', '>', createdAfter);
      if (createdBefore !== undefined) query = query.where('created_at', '<', createdBefore);
      if (page.after !== undefined) {
        const [createdAt, arn] = positionOf(page.after);
        query = query.where(sql<boolean>`(created_at, service_deployment_arn) < (${createdAt}, ${arn})`);
      }
      const rows = await query.execute();
      return toPage(rows, page, (row) => `${row.created_at} ${row.service_deployment_arn}`, deploymentOf);
    },

    async servicesWithMoreThan(count) {
      const rows = await db
        .selectFrom('service_deployments')
        .select('service_arn')
        .groupBy('service_arn')
        .having(({ fn }) => fn.countAll(), '>', count)
        .execute();
      return rows.map((row) => row.service_arn);
    },

    async delete(arns) {
      for (const chunk of chunks(arns)) {
        await db.deleteFrom('service_deployments').where('service_deployment_arn', 'in', chunk).execute();
      }
    },

    async deleteOfService(serviceArn) {
      await db.deleteFrom('service_deployments').where('service_arn', '=', serviceArn).execute();
    },
  };
}

/** Where the next page begins: the key of the last item before it. */
function positionOf(after: string): [createdAt: number, arn: string] {
  const space = after.indexOf(' ');
  return [Number(after.slice(0, space)), after.slice(space + 1)];
}

export function serviceRevisionTable(db: Kysely<Database>): ServiceRevisionTable {
  return {
    async get(arn) {
      const row = await db
        .selectFrom('service_revisions')
        .selectAll()
        .where('service_revision_arn', '=', arn)
        .executeTakeFirst();
      return row && revisionOf(row);
    },

    async put(revision) {
      await upsert(db, 'service_revisions', ['service_revision_arn'], [rowOfRevision(revision)]);
    },

    async all(serviceArn) {
      const rows = await db
        .selectFrom('service_revisions')
        .selectAll()
        .where('service_arn', '=', serviceArn)
        .orderBy('created_at', 'desc')
        .orderBy('service_revision_arn', 'desc')
        .execute();
      return rows.map(revisionOf);
    },

    async delete(arns) {
      for (const chunk of chunks(arns)) {
        await db.deleteFrom('service_revisions').where('service_revision_arn', 'in', chunk).execute();
      }
    },

    async deleteOfService(serviceArn) {
      await db.deleteFrom('service_revisions').where('service_arn', '=', serviceArn).execute();
    },
  };
}

function rowOfDeployment(deployment: ServiceDeployment): ServiceDeploymentRow {
  return {
    service_deployment_arn: deployment.serviceDeploymentArn,
    service_arn: deployment.serviceArn,
    status: deployment.status,
    created_at: deployment.createdAt,
    document: JSON.stringify(deployment),
  };
}

function deploymentOf(row: ServiceDeploymentRow): ServiceDeployment {
  return decodeDocument('service_deployments', row.service_deployment_arn, row.document);
}

function rowOfRevision(revision: ServiceRevision): ServiceRevisionRow {
  return {
    service_revision_arn: revision.serviceRevisionArn,
    service_arn: revision.serviceArn,
    created_at: revision.createdAt,
    document: JSON.stringify(revision),
  };
}

function revisionOf(row: ServiceRevisionRow): ServiceRevision {
  return decodeDocument('service_revisions', row.service_revision_arn, row.document);
}

/** The clusters table. */
import type { Kysely } from 'kysely';
import type { Cluster } from '#model/cluster.ts';
import type { ChangeRecorder } from '../change-set.ts';
import type { ClusterTable } from '../store.ts';
import { decodeDocument } from './documents.ts';
import { rowsForPage, toPage, upsert } from './queries.ts';
import type { ClusterRow, Database } from './schema.ts';

export function clusterTable(db: Kysely<Database>, recorder: ChangeRecorder): ClusterTable {
  return {
    async get(clusterName) {
      const row = await db
        .selectFrom('clusters')
        .selectAll()
        .where('cluster_name', '=', clusterName)
        .executeTakeFirst();
      return row && fromRow(row);
    },
    async put(cluster) {
      await upsert(db, 'clusters', ['cluster_name'], [toRow(cluster)]);
      recorder.cluster(cluster.clusterName);
    },
    async list({ status }, page) {
      let query = db.selectFrom('clusters').selectAll().orderBy('cluster_name').limit(rowsForPage(page));
      if (status !== undefined) query = query.where('status', '=', status);
      if (page.after !== undefined) query = query.where('cluster_name', '>', page.after);
      return toPage(await query.execute(), page, (row) => row.cluster_name, fromRow);
    },
  };
}

function toRow(cluster: Cluster): ClusterRow {
  return { cluster_name: cluster.clusterName, status: cluster.status, document: JSON.stringify(cluster) };
}

function fromRow(row: ClusterRow): Cluster {
  return decodeDocument('clusters', row.cluster_name, row.document);
}

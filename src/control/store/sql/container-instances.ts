/** The container instances. A machine has at most one registration per cluster that is not INACTIVE; the table enforces it. */
import type { Kysely } from 'kysely';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { ChangeRecorder } from '../change-set.ts';
import type { ContainerInstanceTable, TaskTable } from '../store.ts';
import { decodeDocument } from './documents.ts';
import { chunks, upsert } from './queries.ts';
import type { ContainerInstanceRow, Database } from './schema.ts';

export function containerInstanceTable(
  db: Kysely<Database>,
  recorder: ChangeRecorder,
  tasks: Pick<TaskTable, 'occupying'>,
): ContainerInstanceTable {
  const rows = () =>
    db
      .selectFrom('container_instances')
      .leftJoin(
        'assignment_lines',
        'assignment_lines.container_instance_arn',
        'container_instances.container_instance_arn',
      )
      .select(['container_instances.container_instance_arn', 'document', 'assignment_number']);

  const table: ContainerInstanceTable = {
    async get(arn) {
      const row = await rows().where('container_instances.container_instance_arn', '=', arn).executeTakeFirst();
      return row && fromRow(row);
    },

    async byMachine(clusterName, machineId) {
      const row = await rows()
        .where('cluster_name', '=', clusterName)
        .where('machine_id', '=', machineId)
        .where('status', '<>', 'INACTIVE')
        .executeTakeFirst();
      return row && fromRow(row);
    },

    put: (instance) => table.putMany([instance]),

    async putMany(instances) {
      await upsert(db, 'container_instances', ['container_instance_arn'], instances.map(toRow));
      for (const chunk of chunks(instances.map(({ containerInstanceArn }) => containerInstanceArn)))
        await db.deleteFrom('assignment_lines').where('container_instance_arn', 'in', chunk).execute();
      for (const instance of instances) recorder.containerInstance(instance);
    },

    async moveLines(instances) {
      const lines = instances.map(({ containerInstanceArn, assignmentNumber }) => ({
        container_instance_arn: containerInstanceArn,
        assignment_number: assignmentNumber,
      }));
      await upsert(db, 'assignment_lines', ['container_instance_arn'], lines);
      for (const instance of instances) recorder.assignmentLine(instance);
    },

    async list({ clusterName, statuses }) {
      let query = rows().orderBy('container_instances.container_instance_arn');
      query = statuses === undefined ? query.where('status', '<>', 'INACTIVE') : query.where('status', 'in', statuses);
      if (clusterName !== undefined) query = query.where('cluster_name', '=', clusterName);
      return (await query.execute()).map(fromRow);
    },

    async occupied(clusterName) {
      const instances = await table.list({ clusterName });
      const byInstance = Map.groupBy(await tasks.occupying(clusterName), (task) => task.containerInstanceArn);
      return instances.map((instance) => ({
        instance,
        tasks: byInstance.get(instance.containerInstanceArn) ?? [],
      }));
    },
  };
  return table;
}

function toRow(instance: ContainerInstance): ContainerInstanceRow {
  return {
    container_instance_arn: instance.containerInstanceArn,
    cluster_name: instance.clusterName,
    machine_id: instance.machineId,
    status: instance.status,
    document: JSON.stringify(instance),
  };
}

interface ReadRow {
  container_instance_arn: string;
  document: string;
  assignment_number: number | null;
}

function fromRow({ container_instance_arn: arn, document, assignment_number: line }: ReadRow): ContainerInstance {
  const instance = decodeDocument<ContainerInstance>('container_instances', arn, document);
  return line === null ? instance : { ...instance, assignmentNumber: line };
}

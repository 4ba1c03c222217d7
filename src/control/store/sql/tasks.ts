/** The tasks table, the largest by far: every filter has its column, and what placement and counts need is read without the documents. */
import { sql, type Expression, type ExpressionBuilder, type Kysely, type SqlBool } from 'kysely';
import type { TaskResources } from '#model/resources.ts';
import type { Task } from '#model/task.ts';
import type { ChangeRecorder } from '../change-set.ts';
import type { Page, PageRequest, TaskFilter, TaskTable } from '../store.ts';
import { decodeDocument, decodeStrings } from './documents.ts';
import { chunks, rowsForPage, toPage, upsert } from './queries.ts';
import type { Database, TaskRow } from './schema.ts';

type TaskColumns = ExpressionBuilder<Database, 'tasks'>;

/** Written out, not bound as parameters: SQLite uses a partial index only when it sees the index's own condition. */
const stopped = sql.lit('STOPPED' as const);
const provisioning = sql.lit('PROVISIONING' as const);

/** The questions about tasks that have ended, for a store that keeps all others in memory. */
export interface StoppedTasks {
  /** As `TaskTable.list`, of STOPPED tasks alone. */
  listStopped(filter: TaskFilter, page: PageRequest): Promise<Page<Task>>;
  /** Those that control changed after the number, in the instance's line of assignments. */
  stoppedAfter(containerInstanceArn: string, assignmentNumber: number): Promise<Task[]>;
}

export function taskTable(db: Kysely<Database>, recorder: ChangeRecorder): TaskTable & StoppedTasks {
  async function select(condition: (eb: TaskColumns) => Expression<SqlBool>): Promise<Task[]> {
    const rows = await db
      .selectFrom('tasks')
      .select(['task_arn', 'document'])
      .where(condition)
      .orderBy('task_arn')
      .execute();
    return rows.map(fromRow);
  }

  async function listPage(condition: (eb: TaskColumns) => Expression<SqlBool>, page: PageRequest): Promise<Page<Task>> {
    let query = db
      .selectFrom('tasks')
      .select(['task_arn', 'document'])
      .where(condition)
      .orderBy('task_arn')
      .limit(rowsForPage(page));
    if (page.after !== undefined) query = query.where('task_arn', '>', page.after);
    return toPage(await query.execute(), page, (row) => row.task_arn, fromRow);
  }

  return {
    async get(taskArn) {
      const row = await db
        .selectFrom('tasks')
        .select(['task_arn', 'document'])
        .where('task_arn', '=', taskArn)
        .executeTakeFirst();
      return row && fromRow(row);
    },

    async getMany(taskArns) {
      const found = new Map<string, Task>();
      for (const chunk of chunks(taskArns)) {
        for (const task of await select((eb) => eb('task_arn', 'in', chunk))) found.set(task.taskArn, task);
      }
      return taskArns.flatMap((arn) => found.get(arn) ?? []);
    },

    async put(task) {
      await upsert(db, 'tasks', ['task_arn'], [toRow(task)]);
      recorder.task(task);
    },

    async putMany(tasks) {
      const lastOfEach = new Map(tasks.map((task) => [task.taskArn, task]));
      await upsert(db, 'tasks', ['task_arn'], [...lastOfEach.values()].map(toRow));
      for (const task of lastOfEach.values()) recorder.task(task);
    },

    async delete(taskArns) {
      for (const chunk of chunks(taskArns)) {
        const deleted = await db.deleteFrom('tasks').where('task_arn', 'in', chunk).returning('task_arn').execute();
        for (const row of deleted) recorder.deletedTask(row.task_arn);
      }
    },

    list: (filter, page) => listPage((eb) => matches(eb, filter), page),

    listStopped: (filter, page) =>
      listPage((eb) => eb.and([eb('last_status', '=', stopped), matches(eb, filter)]), page),

    stoppedAfter: (containerInstanceArn, assignmentNumber) =>
      select((eb) =>
        eb.and([
          eb('container_instance_arn', '=', containerInstanceArn),
          eb('last_status', '=', stopped),
          eb('assignment_number', '>', assignmentNumber),
        ]),
      ),

    all: (filter) => select((eb) => matches(eb, filter)),

    async occupying(clusterName) {
      const rows = await db
        .selectFrom('tasks')
        .select([
          'task_arn',
          'container_instance_arn',
          'task_group',
          'service_name',
          'family',
          'started_by',
          'desired_status',
          'last_status',
          'resources',
          'gpu_ids',
          'lost_at',
        ])
        .where('cluster_name', '=', clusterName)
        .where('last_status', '<>', stopped)
        .where('container_instance_arn', 'is not', null)
        .orderBy('task_arn')
        .execute();
      const resourcesOf = rememberingDecoder();
      return rows.map((row) => ({
        taskArn: row.task_arn,
        containerInstanceArn: row.container_instance_arn ?? '',
        group: row.task_group,
        ...(row.service_name === null ? {} : { serviceName: row.service_name }),
        family: row.family,
        ...(row.started_by === null ? {} : { startedBy: row.started_by }),
        desiredStatus: row.desired_status,
        lastStatus: row.last_status,
        resources: resourcesOf(row),
        gpuIds: row.gpu_ids === '[]' ? [] : decodeStrings('tasks', row.task_arn, row.gpu_ids),
        ...(row.lost_at === null ? {} : { lostAt: row.lost_at }),
      }));
    },

    assignedTo(containerInstanceArn, afterNumber) {
      return select((eb) => {
        const live = eb('last_status', '<>', stopped);
        const wanted = afterNumber === undefined ? live : eb.or([live, eb('assignment_number', '>', afterNumber)]);
        return eb.and([eb('container_instance_arn', '=', containerInstanceArn), wanted]);
      });
    },

    async counts(filter) {
      const row = await db
        .selectFrom('tasks')
        .select((eb) => [
          eb.fn.countAll<number>().filterWhere('last_status', '=', 'RUNNING').as('running'),
          eb.fn
            .countAll<number>()
            .filterWhere('last_status', 'in', ['PROVISIONING', 'PENDING', 'ACTIVATING'])
            .as('pending'),
        ])
        .where((eb) => matches(eb, { ...filter, live: true }))
        .executeTakeFirstOrThrow();
      return { running: row.running, pending: row.pending };
    },

    async stoppedBefore(time, limit) {
      const rows = await db
        .selectFrom('tasks')
        .select('task_arn')
        .where('last_status', '=', stopped)
        .where('stopped_at', '<', time)
        .orderBy('stopped_at')
        .orderBy('task_arn')
        .limit(limit)
        .execute();
      return rows.map((row) => row.task_arn);
    },

    async definitionInUse(taskDefinitionArn) {
      const task = await db
        .selectFrom('tasks')
        .select('task_arn')
        .where('task_definition_arn', '=', taskDefinitionArn)
        .where('last_status', '<>', stopped)
        .limit(1)
        .executeTakeFirst();
      if (task !== undefined) return true;
      const quoted = JSON.stringify(taskDefinitionArn).replaceAll(/[\\%_]/g, String.raw`\$&`);
      const services = await db
        .selectFrom('services')
        .select(['service_arn', 'task_definition_arns'])
        .where('status', '<>', 'INACTIVE')
        .where(sql<SqlBool>`task_definition_arns like ${`%${quoted}%`} escape '\\'`)
        .execute();
      // SQLite's LIKE does not tell upper from lower case, families do.
      return services.some((row) =>
        decodeStrings('services', row.service_arn, row.task_definition_arns).includes(taskDefinitionArn),
      );
    },
  };
}

function matches(eb: TaskColumns, filter: TaskFilter): Expression<SqlBool> {
  const conditions: Expression<SqlBool>[] = [];
  if (filter.clusterName !== undefined) conditions.push(eb('cluster_name', '=', filter.clusterName));
  if (filter.containerInstanceArn !== undefined) {
    conditions.push(eb('container_instance_arn', '=', filter.containerInstanceArn));
  }
  if (filter.family !== undefined) conditions.push(eb('family', '=', filter.family));
  if (filter.serviceName !== undefined) conditions.push(eb('service_name', '=', filter.serviceName));
  if (filter.startedBy !== undefined) conditions.push(eb('started_by', '=', filter.startedBy));
  if (filter.launchType !== undefined) conditions.push(eb('launch_type', '=', filter.launchType));
  if (filter.desiredStatus !== undefined) conditions.push(eb('desired_status', '=', filter.desiredStatus));
  if (filter.capacityProviderName !== undefined) {
    conditions.push(eb('capacity_provider', '=', filter.capacityProviderName));
  }
  if (filter.waiting === true) conditions.push(eb('last_status', '=', provisioning));
  if (filter.live === true) conditions.push(eb('last_status', '<>', stopped));
  if (filter.present === true) conditions.push(eb('lost_at', 'is', null));
  return eb.and(conditions);
}

/** Most tasks of a cluster ask for the same few sizes: each text is parsed once, and its value shared and therefore frozen. */
function rememberingDecoder(): (row: Pick<TaskRow, 'task_arn' | 'resources'>) => TaskResources {
  const known = new Map<string, TaskResources>();
  return ({ task_arn: taskArn, resources }) => {
    const seen = known.get(resources);
    if (seen !== undefined) return seen;
    const decoded = Object.freeze(decodeDocument<TaskResources>('tasks', taskArn, resources));
    known.set(resources, decoded);
    return decoded;
  };
}

function toRow(task: Task): TaskRow {
  return {
    task_arn: task.taskArn,
    cluster_name: task.clusterName,
    container_instance_arn: task.containerInstanceArn ?? null,
    task_definition_arn: task.taskDefinitionArn,
    family: task.family,
    service_name: task.serviceName ?? null,
    task_group: task.group,
    started_by: task.startedBy ?? null,
    launch_type: task.launchType,
    desired_status: task.desiredStatus,
    last_status: task.lastStatus,
    stopped_at: task.stoppedAt ?? null,
    lost_at: task.lostAt ?? null,
    assignment_number: task.assignmentNumber,
    resources: JSON.stringify(task.resources),
    gpu_ids: JSON.stringify(task.gpuIds),
    document: JSON.stringify(task),
    capacity_provider: task.capacityProviderName ?? null,
  };
}

function fromRow(row: Pick<TaskRow, 'task_arn' | 'document'>): Task {
  return decodeDocument('tasks', row.task_arn, row.document);
}

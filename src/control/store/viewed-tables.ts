/** The tables of tasks, instances and services with a LiveView in front: what lives is read from memory, everything is written to both. */
import type { Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';
import type { LiveView } from './live-view.ts';
import { rowsForPage, toPage } from './sql/queries.ts';
import type { StoppedTasks } from './sql/tasks.ts';
import type { ContainerInstanceTable, ServiceTable, TaskFilter, TaskTable } from './store.ts';

/** Fills the view when it is empty; called before every use. False: the view cannot be used, and everything is asked of the database. */
export type LoadView = () => Promise<boolean>;

export function viewedTaskTable(sql: TaskTable & StoppedTasks, view: LiveView, load: LoadView): TaskTable {
  return {
    ...sql,

    async get(taskArn) {
      if (!(await load())) return sql.get(taskArn);
      return view.task(taskArn) ?? (await sql.get(taskArn));
    },

    async getMany(taskArns) {
      if (!(await load())) return sql.getMany(taskArns);
      const others = taskArns.filter((arn) => view.task(arn) === undefined);
      const found = new Map(others.length === 0 ? [] : (await sql.getMany(others)).map((task) => [task.taskArn, task]));
      return taskArns.flatMap((arn) => view.task(arn) ?? found.get(arn) ?? []);
    },

    async put(task) {
      const isUsed = await load();
      await sql.put(task);
      if (isUsed) view.putTask(task);
    },

    async putMany(tasks) {
      const isUsed = await load();
      await sql.putMany(tasks);
      if (isUsed) for (const task of tasks) view.putTask(task);
    },

    async delete(taskArns) {
      const isUsed = await load();
      await sql.delete(taskArns);
      if (isUsed) for (const arn of taskArns) view.deleteTask(arn);
    },

    async list(filter, page) {
      if (!(await load())) return sql.list(filter, page);
      const wanted = { ...page, limit: rowsForPage(page) };
      const live = view.page(filter, wanted);
      const { items: stopped } = mayHaveStopped(filter) ? await sql.listStopped(filter, wanted) : { items: [] };
      const found = stopped.length === 0 ? live : [...live, ...stopped].toSorted(byArn).slice(0, wanted.limit);
      const arnOf = ({ taskArn }: Task): string => taskArn;
      return toPage(found, page, arnOf, (task) => task);
    },

    async all(filter) {
      if (!isOfLive(filter) || !(await load())) return sql.all(filter);
      return [...view.tasks(filter)];
    },

    async occupying(clusterName) {
      if (!(await load())) return sql.occupying(clusterName);
      return view.occupying(clusterName);
    },

    async assignedTo(containerInstanceArn, afterNumber) {
      if (!(await load())) return sql.assignedTo(containerInstanceArn, afterNumber);
      const live = view.tasks({ containerInstanceArn });
      const stopped = afterNumber === undefined ? [] : await stoppedSince(containerInstanceArn, afterNumber);
      if (stopped.length === 0) return [...live];
      return [...live, ...stopped].toSorted((a, b) => (a.taskArn < b.taskArn ? -1 : 1));
    },

    async counts(filter) {
      if (!(await load())) return sql.counts(filter);
      return view.counts(filter);
    },

    async definitionInUse(taskDefinitionArn) {
      if (!(await load())) return sql.definitionInUse(taskDefinitionArn);
      return view.usesDefinition(taskDefinitionArn);
    },
  };

  /** Asks the database only when there may be any. */
  async function stoppedSince(containerInstanceArn: string, afterNumber: number): Promise<Task[]> {
    const head = view.stoppedHead(containerInstanceArn);
    if (head !== undefined && head <= afterNumber) return [];
    const stopped = await sql.stoppedAfter(containerInstanceArn, afterNumber);
    const numbers = stopped.map(({ assignmentNumber }) => assignmentNumber);
    view.noteStoppedHead(containerInstanceArn, Math.max(afterNumber, head ?? 0, ...numbers));
    return stopped;
  }
}

export function viewedInstanceTable(
  sql: ContainerInstanceTable,
  view: LiveView,
  load: LoadView,
): ContainerInstanceTable {
  return {
    ...sql,

    async get(containerInstanceArn) {
      if (!(await load())) return sql.get(containerInstanceArn);
      return view.instance(containerInstanceArn) ?? (await sql.get(containerInstanceArn));
    },

    async put(instance) {
      const isUsed = await load();
      await sql.put(instance);
      if (isUsed) view.putInstance(instance);
    },

    async putMany(instances) {
      const isUsed = await load();
      await sql.putMany(instances);
      if (isUsed) for (const instance of instances) view.putInstance(instance);
    },

    async moveLines(instances) {
      const isUsed = await load();
      await sql.moveLines(instances);
      if (isUsed) for (const instance of instances) view.putInstance(instance);
    },

    async list(filter) {
      const { clusterName, statuses } = filter;
      if (statuses?.includes('INACTIVE') === true || !(await load())) return sql.list(filter);
      const instances = view.instances(clusterName);
      return instances.filter(({ status }) => statuses === undefined || statuses.includes(status));
    },

    async occupied(clusterName) {
      if (!(await load())) return sql.occupied(clusterName);
      return view.occupied(clusterName);
    },
  };
}

export function viewedServiceTable(sql: ServiceTable, view: LiveView, load: LoadView): ServiceTable {
  return {
    async get(clusterName, serviceName) {
      if (!(await load())) return sql.get(clusterName, serviceName);
      return view.service(clusterName, serviceName);
    },

    async put(service) {
      const isUsed = await load();
      await sql.put(service);
      if (isUsed) view.putService(service);
    },

    async delete(clusterName, serviceName) {
      const isUsed = await load();
      await sql.delete(clusterName, serviceName);
      if (isUsed) view.deleteService(clusterName, serviceName);
    },

    async list(filter, page) {
      if (!(await load())) return sql.list(filter, page);
      const { clusterName, statuses, launchType, schedulingStrategy } = filter;
      const { after } = page;
      const found = view
        .services()
        .filter(
          (service) =>
            (clusterName === undefined || service.clusterName === clusterName) &&
            (statuses === undefined || statuses.includes(service.status)) &&
            (launchType === undefined || service.launchType === launchType) &&
            (schedulingStrategy === undefined || service.schedulingStrategy === schedulingStrategy) &&
            (after === undefined || service.serviceArn > after),
        );
      const arnOf = ({ serviceArn }: Service): string => serviceArn;
      return toPage(found.slice(0, rowsForPage(page)), page, arnOf, (service) => service);
    },
  };
}

function byArn(a: Task, b: Task): number {
  return a.taskArn < b.taskArn ? -1 : 1;
}

function isOfLive({ live, waiting }: TaskFilter): boolean {
  return live === true || waiting === true;
}

/** A task that has STOPPED is wanted STOPPED. */
function mayHaveStopped(filter: TaskFilter): boolean {
  return !isOfLive(filter) && filter.desiredStatus !== 'RUNNING';
}

/** Everything there is of the kind, page by page. */
export async function allServices(sql: Pick<ServiceTable, 'list'>): Promise<Service[]> {
  const services: Service[] = [];
  let after: string | undefined;
  do {
    const page = await sql.list({}, { limit: 500, ...(after === undefined ? {} : { after }) });
    services.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return services;
}

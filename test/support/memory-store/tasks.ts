/** The tasks table in memory. Lists over a service or an instance look only at its own tasks, and most only at the live ones. */
import type { ChangeRecorder } from '#control/store/change-set.ts';
import { rowsForPage, toPage } from '#control/store/sql/queries.ts';
import type { OccupyingTask, TaskFilter, TaskTable } from '#control/store/store.ts';
import { hasStopped, type Task } from '#model/task.ts';
import type { Service } from '#model/service.ts';
import { compareKeys, inOrder, KeyIndex, Rows, type UndoLog } from './rows.ts';

export interface MemoryTaskTable extends TaskTable {
  /** What placement sees of the live tasks on an instance, in order: the very same list until one of them changes. */
  occupants(containerInstanceArn: string): readonly OccupyingTask[];
}

/** `services`: those of the same database. */
export function taskTable(undo: UndoLog, recorder: ChangeRecorder, services: () => Iterable<Service>): MemoryTaskTable {
  const live = new Set<string>();
  const byService = new KeyIndex();
  const byInstance = new KeyIndex();
  const liveByService = new KeyIndex();
  const liveByInstance = new KeyIndex();
  const occupants = new Map<string, readonly OccupyingTask[]>();
  const rows = new Rows<Task>(undo, (before, after) => {
    if (before !== undefined) index(before, false);
    if (after !== undefined) index(after, true);
  });

  function index(task: Task, isThere: boolean): void {
    const { taskArn, serviceName, containerInstanceArn } = task;
    const change = isThere ? 'add' : 'remove';
    const liveChange = isThere && !hasStopped(task) ? 'add' : 'remove';
    if (serviceName !== undefined) {
      byService[change](serviceName, taskArn);
      liveByService[liveChange](serviceName, taskArn);
    }
    if (containerInstanceArn !== undefined) {
      byInstance[change](containerInstanceArn, taskArn);
      liveByInstance[liveChange](containerInstanceArn, taskArn);
      occupants.delete(containerInstanceArn);
    }
    if (liveChange === 'add') live.add(taskArn);
    else live.delete(taskArn);
  }

  function* rowsOf(arns: Iterable<string>): Iterable<Task> {
    for (const arn of arns) {
      const row = rows.get(arn);
      if (row !== undefined) yield row;
    }
  }

  function candidates({ serviceName, containerInstanceArn, live: onlyLive, waiting }: TaskFilter): Iterable<Task> {
    const alive = onlyLive === true || waiting === true;
    if (containerInstanceArn !== undefined) {
      return rowsOf((alive ? liveByInstance : byInstance).keys(containerInstanceArn));
    }
    if (serviceName !== undefined) return rowsOf((alive ? liveByService : byService).keys(serviceName));
    return alive ? rowsOf(live) : rows.values();
  }

  function find(filter: TaskFilter): Task[] {
    const found: Task[] = [];
    for (const task of candidates(filter)) if (matches(task, filter)) found.push(task);
    return found.sort((a, b) => compareKeys(a.taskArn, b.taskArn));
  }

  function occupantsOf(containerInstanceArn: string): readonly OccupyingTask[] {
    const known = occupants.get(containerInstanceArn);
    if (known !== undefined) return known;
    const found = find({ containerInstanceArn, live: true }).flatMap((task) => occupyingTask(task) ?? []);
    occupants.set(containerInstanceArn, found);
    return found;
  }

  return {
    occupants: occupantsOf,
    get: (taskArn) => Promise.resolve(rows.get(taskArn)),
    getMany: (taskArns) => Promise.resolve(taskArns.flatMap((arn) => rows.get(arn) ?? [])),
    put(task) {
      rows.put(task.taskArn, task);
      recorder.task(task);
      return Promise.resolve();
    },
    putMany(tasks) {
      const lastOfEach = new Map(tasks.map((task) => [task.taskArn, task]));
      for (const task of lastOfEach.values()) {
        rows.put(task.taskArn, task);
        recorder.task(task);
      }
      return Promise.resolve();
    },
    delete(taskArns) {
      for (const arn of taskArns) if (rows.delete(arn) !== undefined) recorder.deletedTask(arn);
      return Promise.resolve();
    },
    list(filter, page) {
      const { after } = page;
      const found = find(filter).filter(({ taskArn }) => after === undefined || taskArn > after);
      return Promise.resolve(toPage(found.slice(0, rowsForPage(page)), page, ({ taskArn }) => taskArn, same));
    },
    all: (filter) => Promise.resolve(find(filter)),
    occupying(clusterName) {
      const found = find({ clusterName, live: true }).flatMap((task) => occupyingTask(task) ?? []);
      return Promise.resolve(found);
    },
    assignedTo(containerInstanceArn, afterNumber) {
      const wanted = find({ containerInstanceArn }).filter(
        (task) => !hasStopped(task) || (afterNumber !== undefined && task.assignmentNumber > afterNumber),
      );
      return Promise.resolve(wanted);
    },
    counts(filter) {
      const statuses = find({ ...filter, live: true }).map(({ lastStatus }) => lastStatus);
      const running = statuses.filter((status) => status === 'RUNNING').length;
      const pending = statuses.filter((status) => /^(PROVISIONING|PENDING|ACTIVATING)$/.test(status)).length;
      return Promise.resolve({ running, pending });
    },
    stoppedBefore(time, limit) {
      const old = [...rows.values()].filter((task) => hasStopped(task) && (task.stoppedAt ?? Infinity) < time);
      const byAge = inOrder(old, ({ taskArn }) => taskArn).toSorted((a, b) => (a.stoppedAt ?? 0) - (b.stoppedAt ?? 0));
      return Promise.resolve(byAge.slice(0, limit).map(({ taskArn }) => taskArn));
    },
    definitionInUse(arn) {
      for (const taskArn of live) if (rows.get(taskArn)?.taskDefinitionArn === arn) return Promise.resolve(true);
      for (const service of services()) if (usesDefinition(service, arn)) return Promise.resolve(true);
      return Promise.resolve(false);
    },
  };
}

function usesDefinition({ status, taskDefinitionArn, deployments }: Service, arn: string): boolean {
  if (status === 'INACTIVE') return false;
  return (
    taskDefinitionArn === arn ||
    deployments.some((each) => each.status !== 'INACTIVE' && each.taskDefinitionArn === arn)
  );
}

function matches(task: Task, filter: TaskFilter): boolean {
  return (
    (filter.clusterName === undefined || task.clusterName === filter.clusterName) &&
    (filter.containerInstanceArn === undefined || task.containerInstanceArn === filter.containerInstanceArn) &&
    (filter.family === undefined || task.family === filter.family) &&
    (filter.serviceName === undefined || task.serviceName === filter.serviceName) &&
    (filter.startedBy === undefined || task.startedBy === filter.startedBy) &&
    (filter.launchType === undefined || task.launchType === filter.launchType) &&
    (filter.desiredStatus === undefined || task.desiredStatus === filter.desiredStatus) &&
    (filter.capacityProviderName === undefined || task.capacityProviderName === filter.capacityProviderName) &&
    (filter.waiting !== true || task.lastStatus === 'PROVISIONING') &&
    (filter.live !== true || !hasStopped(task)) &&
    (filter.present !== true || task.lostAt === undefined)
  );
}

/** As the row of a task does not change, neither does what placement sees of it. */
const occupyingTasks = new WeakMap<Task, OccupyingTask>();

function occupyingTask(task: Task): OccupyingTask | undefined {
  const { taskArn, containerInstanceArn, group, serviceName, family, startedBy } = task;
  const { desiredStatus, lastStatus, resources, gpuIds, lostAt } = task;
  if (containerInstanceArn === undefined) return undefined;
  const known = occupyingTasks.get(task);
  if (known !== undefined) return known;
  const made: OccupyingTask = {
    taskArn,
    containerInstanceArn,
    group,
    ...(serviceName === undefined ? {} : { serviceName }),
    family,
    ...(startedBy === undefined ? {} : { startedBy }),
    desiredStatus,
    lastStatus,
    resources,
    gpuIds,
    ...(lostAt === undefined ? {} : { lostAt }),
  };
  occupyingTasks.set(task, made);
  return made;
}

function same<T>(value: T): T {
  return value;
}

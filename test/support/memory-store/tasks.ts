/** The tasks table in memory. Lists over a service or an instance look only at its own tasks, and most only at the live ones. */
import type { ChangeRecorder } from '#control/store/change-set.ts';
import { rowsForPage, toPage } from '#control/store/sql/queries.ts';
import type { OccupyingTask, TaskFilter, TaskTable } from '#control/store/store.ts';
import { hasStopped, type Task } from '#model/task.ts';
import type { Service } from '#model/service.ts';
import { compareKeys, inOrder, KeyIndex, Rows, type UndoLog } from './rows.ts';

/** `services`: those of the same database. */
export function taskTable(undo: UndoLog, recorder: ChangeRecorder, services: () => Iterable<Service>): TaskTable {
  const live = new Set<string>();
  const byService = new KeyIndex();
  const byInstance = new KeyIndex();
  const rows = new Rows<Task>(undo, (before, after) => {
    if (before !== undefined) index(before, false);
    if (after !== undefined) index(after, true);
  });

  function index(task: Task, isThere: boolean): void {
    const { taskArn, serviceName, containerInstanceArn } = task;
    const change = isThere ? 'add' : 'remove';
    if (serviceName !== undefined) byService[change](serviceName, taskArn);
    if (containerInstanceArn !== undefined) byInstance[change](containerInstanceArn, taskArn);
    if (isThere && !hasStopped(task)) live.add(taskArn);
    else live.delete(taskArn);
  }

  function candidates({ serviceName, containerInstanceArn, live: onlyLive, waiting }: TaskFilter): Iterable<Task> {
    const sets = [
      ...(serviceName === undefined ? [] : [byService.keys(serviceName)]),
      ...(containerInstanceArn === undefined ? [] : [byInstance.keys(containerInstanceArn)]),
      ...(onlyLive === true || waiting === true ? [live] : []),
    ];
    const [smallest] = sets.toSorted((a, b) => a.size - b.size);
    return smallest === undefined ? rows.values() : [...smallest].flatMap((arn) => rows.get(arn) ?? []);
  }

  function find(filter: TaskFilter): Task[] {
    const found: Task[] = [];
    for (const task of candidates(filter)) if (matches(task, filter)) found.push(task);
    return found.toSorted((a, b) => compareKeys(a.taskArn, b.taskArn));
  }

  return {
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

const conditions: {
  readonly [K in keyof Required<TaskFilter>]: (task: Task, value: Required<TaskFilter>[K]) => boolean;
} = {
  clusterName: (task, value) => task.clusterName === value,
  containerInstanceArn: (task, value) => task.containerInstanceArn === value,
  family: (task, value) => task.family === value,
  serviceName: (task, value) => task.serviceName === value,
  startedBy: (task, value) => task.startedBy === value,
  launchType: (task, value) => task.launchType === value,
  desiredStatus: (task, value) => task.desiredStatus === value,
  capacityProviderName: (task, value) => task.capacityProviderName === value,
  waiting: (task, value) => !value || task.lastStatus === 'PROVISIONING',
  live: (task, value) => !value || !hasStopped(task),
  present: (task, value) => !value || task.lostAt === undefined,
};

function matches(task: Task, filter: TaskFilter): boolean {
  const hold = <K extends keyof TaskFilter>(name: K): boolean => {
    const value = filter[name];
    return value === undefined || conditions[name](task, value as Required<TaskFilter>[K]);
  };
  for (const name in filter) if (!hold(name as keyof TaskFilter)) return false;
  return true;
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

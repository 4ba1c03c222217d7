/** The world's copy of the rows that matter, brought up to date after each step from what was committed in it. */
import { arnId, clusterNameInArn } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Service } from '#model/service.ts';
import { hasStopped, type Task } from '#model/task.ts';
import type { ChangeSet, Store, StoreTransaction } from '#control/store/store.ts';

export interface Change<T> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** Whether control decided the change, and no agent reported it: what agents report of a task is numbered. */
export function isDecided({ before, after }: Change<Task>): boolean {
  return before?.stateChangeNumber === after?.stateChangeNumber;
}

/** What one step did to the rows. */
export interface StepChanges {
  readonly tasks: readonly Change<Task>[];
  readonly services: readonly Change<Service>[];
  readonly instances: readonly Change<ContainerInstance>[];
}

export interface Rows {
  readonly tasks: ReadonlyMap<string, Task>;
  readonly services: ReadonlyMap<string, Service>;
  readonly instances: ReadonlyMap<string, ContainerInstance>;
  /** The tasks of a service that are not STOPPED. */
  liveOf(serviceName: string): Task[];
  /** The tasks on a container instance that are not STOPPED. */
  liveOn(containerInstanceArn: string): Task[];
  live(): Task[];
}

export interface Mirror {
  readonly rows: Rows;
  /** `undefined`: something was committed, and nobody was told what. */
  note(changes: ChangeSet | undefined): void;
  /** Undefined when nothing was committed since the last time. */
  refresh(store: Store): Promise<StepChanges | undefined>;
  /** Takes the rows for what they are, and for no change: the database was put back to an earlier state. */
  reload(store: Store): Promise<void>;
}

export function createMirror(): Mirror {
  const tasks = new Map<string, Task>();
  const services = new Map<string, Service>();
  const instances = new Map<string, ContainerInstance>();
  const live = createLiveTasks(tasks);
  let everything = false;
  const dirty = { tasks: new Set<string>(), services: new Set<string>(), instances: new Set<string>() };

  async function markAll(tx: StoreTransaction): Promise<void> {
    for (const arn of [...tasks.keys(), ...(await tx.tasks.all({})).map((each) => each.taskArn)]) dirty.tasks.add(arn);
    const { items } = await tx.services.list({}, { limit: 10_000 });
    for (const arn of [...services.keys(), ...items.map((each) => each.serviceArn)]) dirty.services.add(arn);
    const listed = await tx.containerInstances.list({});
    for (const { containerInstanceArn } of listed) dirty.instances.add(containerInstanceArn);
    for (const arn of instances.keys()) dirty.instances.add(arn);
  }

  async function read(tx: StoreTransaction): Promise<StepChanges> {
    if (everything) await markAll(tx);
    const found = new Map((await tx.tasks.getMany([...dirty.tasks])).map((task) => [task.taskArn, task]));
    const changes = {
      tasks: [...dirty.tasks].map((arn) => live.note(replace(tasks, arn, found.get(arn)))),
      services: [] as Change<Service>[],
      instances: [] as Change<ContainerInstance>[],
    };
    for (const arn of dirty.services) {
      changes.services.push(replace(services, arn, await tx.services.get(clusterNameInArn(arn) ?? '', arnId(arn))));
    }
    for (const arn of dirty.instances) {
      changes.instances.push(replace(instances, arn, await tx.containerInstances.get(arn)));
    }
    return changes;
  }

  async function refresh(store: Store): Promise<StepChanges | undefined> {
    if (!everything && dirty.tasks.size + dirty.services.size + dirty.instances.size === 0) return undefined;
    const changes = await store.read(read);
    everything = false;
    for (const keys of Object.values(dirty)) keys.clear();
    return changes;
  }

  return {
    rows: { tasks, services, instances, liveOf: live.ofService, liveOn: live.onInstance, live: live.all },
    note(changes) {
      if (changes === undefined) {
        everything = true;
        return;
      }
      for (const arn of changes.tasks) dirty.tasks.add(arn);
      for (const arn of changes.services) dirty.services.add(arn);
      for (const arn of changes.containerInstances.union(changes.assignments)) dirty.instances.add(arn);
    },
    refresh,
    async reload(store) {
      everything = true;
      await refresh(store);
    },
  };
}

function replace<T>(rows: Map<string, T>, key: string, after: T | undefined): Change<T> {
  const before = rows.get(key);
  if (after === undefined) rows.delete(key);
  else rows.set(key, after);
  return { before, after };
}

/** Which tasks are not STOPPED, so that a check of one service or instance looks at no others. */
function createLiveTasks(tasks: ReadonlyMap<string, Task>) {
  const everywhere = new Set<string>();
  const byService = new Map<string, Set<string>>();
  const byInstance = new Map<string, Set<string>>();

  function mark(sets: Map<string, Set<string>>, key: string | undefined, arn: string, isLive: boolean): void {
    if (key === undefined) return;
    const keys = sets.get(key) ?? new Set();
    sets.set(key, keys);
    if (isLive) keys.add(arn);
    else keys.delete(arn);
  }

  function markAll({ taskArn, serviceName, containerInstanceArn }: Task, isLive: boolean): void {
    mark(byService, serviceName, taskArn, isLive);
    mark(byInstance, containerInstanceArn, taskArn, isLive);
    if (isLive) everywhere.add(taskArn);
    else everywhere.delete(taskArn);
  }

  function found(arns: Iterable<string>): Task[] {
    return [...arns].flatMap((arn) => tasks.get(arn) ?? []);
  }

  return {
    note(change: Change<Task>): Change<Task> {
      const { before, after } = change;
      if (before !== undefined) markAll(before, false);
      if (after !== undefined && !hasStopped(after)) markAll(after, true);
      return change;
    },
    ofService: (serviceName: string): Task[] => found(byService.get(serviceName) ?? []),
    onInstance: (arn: string): Task[] => found(byInstance.get(arn) ?? []),
    all: (): Task[] => found(everywhere),
  };
}

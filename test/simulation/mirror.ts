/** The world's copy of the rows that matter, brought up to date after each step from what was committed in it. */
import { arnId, clusterNameInArn } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';
import type { ChangeSet, Store, StoreTransaction } from '#control/store/store.ts';

export interface Change<T> {
  readonly before: T | undefined;
  readonly after: T | undefined;
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
}

export interface Mirror {
  readonly rows: Rows;
  /** `undefined`: something was committed, and nobody was told what. */
  note(changes: ChangeSet | undefined): void;
  /** Undefined when nothing was committed since the last time. */
  refresh(store: Store): Promise<StepChanges | undefined>;
}

export function createMirror(): Mirror {
  const tasks = new Map<string, Task>();
  const services = new Map<string, Service>();
  const instances = new Map<string, ContainerInstance>();
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
      tasks: [...dirty.tasks].map((arn) => replace(tasks, arn, found.get(arn))),
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

  return {
    rows: { tasks, services, instances },
    note(changes) {
      if (changes === undefined) {
        everything = true;
        return;
      }
      for (const arn of changes.tasks) dirty.tasks.add(arn);
      for (const arn of changes.services) dirty.services.add(arn);
      for (const arn of changes.containerInstances) dirty.instances.add(arn);
    },
    async refresh(store) {
      if (!everything && dirty.tasks.size + dirty.services.size + dirty.instances.size === 0) return undefined;
      const changes = await store.read(read);
      everything = false;
      for (const keys of Object.values(dirty)) keys.clear();
      return changes;
    },
  };
}

function replace<T>(rows: Map<string, T>, key: string, after: T | undefined): Change<T> {
  const before = rows.get(key);
  if (after === undefined) rows.delete(key);
  else rows.set(key, after);
  return { before, after };
}

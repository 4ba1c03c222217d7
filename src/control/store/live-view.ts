/**
 * What is alive, in memory: every task that is not STOPPED, every instance that is not INACTIVE, and the services, as the database has them. Placement, counts, looks
 * at services and passes over assignments read thousands of them at a time, and from here no document is parsed for it. It follows each put of the
 * transaction under way and takes it back when that one fails; whoever owns it throws it away when the database may have changed without it. Values
 * are shared with all who read them and are never changed, only replaced.
 */
import { noClaims, withClaim, withoutClaim, type Claims } from '#model/claims.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Service } from '#model/service.ts';
import { hasStopped, type Task } from '#model/task.ts';
import { definitionsOf } from './sql/services.ts';
import type { OccupiedInstance, OccupyingTask, PageRequest, TaskFilter } from './store.ts';
import { TaskGroup } from './task-group.ts';

interface Undo {
  task?: { arn: string; before: Task | undefined };
  instance?: { arn: string; before: ContainerInstance | undefined };
  service?: { key: string; before: Service | undefined };
}

export interface WhatLives {
  readonly tasks: Iterable<Task>;
  readonly instances: Iterable<ContainerInstance>;
  readonly services: Iterable<Service>;
}

/** Where the journal of the transaction stood. */
export type Mark = number;

export class LiveView {
  readonly #tasks = new Map<string, Task>();
  readonly #byCluster = new Map<string, TaskGroup>();
  readonly #byService = new Map<string, TaskGroup>();
  readonly #byInstance = new Map<string, TaskGroup<PlacedTask>>();
  readonly #instances = new Map<string, ContainerInstance>();
  readonly #services = new Map<string, Service>();
  /** The cluster's instances in the order of their ARNs; made anew when one comes or goes. */
  readonly #arnsOfCluster = new Map<string, readonly string[]>();
  /** The answers to the last questions, as long as they are true. */
  readonly #instancesOfCluster = new Map<string, readonly ContainerInstance[]>();
  readonly #occupied = new Map<string, OccupiedInstance>();
  /** Of the tasks of each instance that has any. */
  readonly #claims = new Map<string, Claims>();
  /** No STOPPED task of the instance has a higher assignment number; instances that nobody asked about are not in here. */
  readonly #stoppedHeads = new Map<string, number>();
  #journal: Undo[] = [];
  #state: 'empty' | 'loaded' | 'useless' = 'empty';

  get state(): 'empty' | 'loaded' | 'useless' {
    return this.#state;
  }

  load({ tasks, instances, services }: WhatLives): void {
    this.clear();
    for (const service of services) this.#services.set(serviceKey(service.clusterName, service.serviceName), service);
    for (const instance of instances) this.#setInstance(instance.containerInstanceArn, instance);
    for (const task of tasks) this.#setTask(task.taskArn, task);
    this.#state = 'loaded';
  }

  /** The database cannot be read as a whole, so that nothing is known from here until it has changed. */
  giveUp(): void {
    this.clear();
    this.#state = 'useless';
  }

  clear(): void {
    this.#tasks.clear();
    this.#byCluster.clear();
    this.#byService.clear();
    this.#byInstance.clear();
    this.#instances.clear();
    this.#services.clear();
    this.#arnsOfCluster.clear();
    this.#instancesOfCluster.clear();
    this.#occupied.clear();
    this.#claims.clear();
    this.#stoppedHeads.clear();
    this.#journal = [];
    this.#state = 'empty';
  }

  mark(): Mark {
    return this.#journal.length;
  }

  /** Takes back what was put since. */
  rollBack(mark: Mark): void {
    for (const { task, instance, service } of this.#journal.splice(mark).toReversed()) {
      if (task !== undefined) this.#setTask(task.arn, task.before);
      if (instance !== undefined) this.#setInstance(instance.arn, instance.before);
      if (service !== undefined) this.#setService(service.key, service.before);
    }
  }

  commit(): void {
    this.#journal = [];
  }

  task(taskArn: string): Task | undefined {
    return this.#tasks.get(taskArn);
  }

  putTask(task: Task): void {
    const { taskArn, containerInstanceArn } = task;
    this.#journal.push({ task: { arn: taskArn, before: this.#tasks.get(taskArn) } });
    this.#setTask(taskArn, hasStopped(task) ? undefined : Object.freeze(task));
    if (!hasStopped(task) || containerInstanceArn === undefined) return;
    const head = this.#stoppedHeads.get(containerInstanceArn);
    // It may stay too high when the transaction fails: that only costs a question to the database.
    if (head !== undefined) this.noteStoppedHead(containerInstanceArn, Math.max(head, task.assignmentNumber));
  }

  deleteTask(taskArn: string): void {
    this.#journal.push({ task: { arn: taskArn, before: this.#tasks.get(taskArn) } });
    this.#setTask(taskArn, undefined);
  }

  stoppedHead(containerInstanceArn: string): number | undefined {
    return this.#stoppedHeads.get(containerInstanceArn);
  }

  noteStoppedHead(containerInstanceArn: string, head: number): void {
    this.#stoppedHeads.set(containerInstanceArn, head);
  }

  /** In the order of their ARNs. */
  tasks(filter: TaskFilter): readonly Task[] {
    const group = this.#narrowest(filter);
    if (group === undefined) {
      const all = [...this.#tasks.values()].filter((task) => matches(task, filter));
      return all.toSorted((a, b) => (a.taskArn < b.taskArn ? -1 : 1));
    }
    const tasks = group.inOrder();
    return isOnlyAbout(filter) ? tasks : tasks.filter((task) => matches(task, filter));
  }

  /** The first in the order of their ARNs. */
  page(filter: TaskFilter, { after, limit }: PageRequest): Task[] {
    const group = this.#narrowest(filter);
    const rest = group === undefined ? startingAfter(this.tasks(filter), after) : group.from(after);
    const found: Task[] = [];
    for (const task of rest) {
      if (!matches(task, filter)) continue;
      found.push(task);
      if (found.length >= limit) break;
    }
    return found;
  }

  /** Whether a task that lives, or a service that is not INACTIVE, uses it. */
  usesDefinition(taskDefinitionArn: string): boolean {
    for (const task of this.#tasks.values()) if (task.taskDefinitionArn === taskDefinitionArn) return true;
    for (const service of this.#services.values())
      if (service.status !== 'INACTIVE' && definitionsOf(service).has(taskDefinitionArn)) return true;
    return false;
  }

  counts(filter: TaskFilter): { running: number; pending: number } {
    const { present = false, ...others } = filter;
    const group = this.#narrowest(others);
    if (group !== undefined && isOnlyAbout(others)) return group.counts(present);
    const counted = new TaskGroup();
    for (const task of this.tasks(others)) counted.set(task);
    return counted.counts(present);
  }

  occupying(clusterName: string): OccupyingTask[] {
    return (this.#byCluster.get(clusterName)?.inOrder() ?? []).filter(isOccupying);
  }

  instance(containerInstanceArn: string): ContainerInstance | undefined {
    return this.#instances.get(containerInstanceArn);
  }

  putInstance(instance: ContainerInstance): void {
    const arn = instance.containerInstanceArn;
    this.#journal.push({ instance: { arn, before: this.#instances.get(arn) } });
    this.#setInstance(arn, instance.status === 'INACTIVE' ? undefined : Object.freeze(instance));
  }

  /** In the order of their ARNs. */
  instances(clusterName: string | undefined): readonly ContainerInstance[] {
    const key = clusterName ?? '';
    let listed = this.#instancesOfCluster.get(key);
    if (listed === undefined) {
      listed = this.#instanceArns(clusterName).flatMap((arn) => this.#instances.get(arn) ?? []);
      this.#instancesOfCluster.set(key, listed);
    }
    return listed;
  }

  /** The same value for an instance as long as neither it nor its tasks change. */
  occupied(clusterName: string): OccupiedInstance[] {
    const places: OccupiedInstance[] = [];
    for (const arn of this.#instanceArns(clusterName)) {
      const place = this.#occupied.get(arn) ?? this.#occupy(arn);
      if (place !== undefined) places.push(place);
    }
    return places;
  }

  #occupy(arn: string): OccupiedInstance | undefined {
    const instance = this.#instances.get(arn);
    if (instance === undefined) return undefined;
    const tasks = this.#byInstance.get(arn)?.inOrder() ?? [];
    const place = { instance, tasks, claims: this.#claims.get(arn) ?? noClaims };
    this.#occupied.set(arn, place);
    return place;
  }

  service(clusterName: string, serviceName: string): Service | undefined {
    return this.#services.get(serviceKey(clusterName, serviceName));
  }

  putService(service: Service): void {
    const key = serviceKey(service.clusterName, service.serviceName);
    this.#journal.push({ service: { key, before: this.#services.get(key) } });
    this.#setService(key, Object.freeze(service));
  }

  deleteService(clusterName: string, serviceName: string): void {
    const key = serviceKey(clusterName, serviceName);
    this.#journal.push({ service: { key, before: this.#services.get(key) } });
    this.#setService(key, undefined);
  }

  /** In the order of their ARNs. */
  services(): Service[] {
    return [...this.#services.values()].toSorted((a, b) => (a.serviceArn < b.serviceArn ? -1 : 1));
  }

  #setService(key: string, after: Service | undefined): void {
    if (after === undefined) this.#services.delete(key);
    else this.#services.set(key, after);
  }

  #instanceArns(clusterName: string | undefined): readonly string[] {
    const key = clusterName ?? '';
    const known = this.#arnsOfCluster.get(key);
    if (known !== undefined) return known;
    const instances = [...this.#instances.values()];
    const own = clusterName === undefined ? instances : instances.filter((each) => each.clusterName === clusterName);
    const arns = own.map(({ containerInstanceArn }) => containerInstanceArn).toSorted();
    this.#arnsOfCluster.set(key, arns);
    return arns;
  }

  /** Undefined when the filter names neither instance, service nor cluster. */
  #narrowest({ clusterName, serviceName, containerInstanceArn }: TaskFilter): TaskGroup | undefined {
    if (containerInstanceArn !== undefined) return this.#byInstance.get(containerInstanceArn) ?? new TaskGroup();
    if (clusterName === undefined) return undefined;
    if (serviceName === undefined) return this.#byCluster.get(clusterName) ?? new TaskGroup();
    return this.#byService.get(serviceKey(clusterName, serviceName)) ?? new TaskGroup();
  }

  #setTask(arn: string, after: Task | undefined): void {
    const before = this.#tasks.get(arn);
    if (after === undefined) this.#tasks.delete(arn);
    else this.#tasks.set(arn, after);
    this.#regroup(this.#byCluster, before?.clusterName, after?.clusterName, before, after);
    this.#regroup(this.#byService, serviceOf(before), serviceOf(after), before, after);
    const [left, came] = [placed(before), placed(after)];
    this.#regroup(this.#byInstance, left?.containerInstanceArn, came?.containerInstanceArn, left, came);
    this.#claim(left, came);
  }

  #claim(left: PlacedTask | undefined, came: PlacedTask | undefined): void {
    if (left !== undefined) this.#occupied.delete(left.containerInstanceArn);
    if (came !== undefined) this.#occupied.delete(came.containerInstanceArn);
    if (left !== undefined && came !== undefined && hasSameClaim(left, came)) return;
    if (left !== undefined) {
      const arn = left.containerInstanceArn;
      if (this.#byInstance.has(arn)) this.#claims.set(arn, withoutClaim(this.#claims.get(arn) ?? noClaims, left));
      else this.#claims.delete(arn);
    }
    if (came !== undefined) {
      const arn = came.containerInstanceArn;
      this.#claims.set(arn, withClaim(this.#claims.get(arn) ?? noClaims, came));
    }
  }

  #regroup<Item extends Task>(
    groups: Map<string, TaskGroup<Item>>,
    from: string | undefined,
    to: string | undefined,
    before: Item | undefined,
    after: Item | undefined,
  ): void {
    if (before !== undefined && from !== undefined && from !== to) {
      const group = groups.get(from);
      group?.delete(before);
      if (group?.size === 0) groups.delete(from);
    }
    if (after === undefined || to === undefined) {
      if (before !== undefined && from !== undefined && from === to) groups.get(from)?.delete(before);
      return;
    }
    let group = groups.get(to);
    if (group === undefined) {
      group = new TaskGroup<Item>();
      groups.set(to, group);
    }
    group.set(after);
  }

  #setInstance(arn: string, after: ContainerInstance | undefined): void {
    const before = this.#instances.get(arn);
    if (after === undefined) this.#instances.delete(arn);
    else this.#instances.set(arn, after);
    this.#occupied.delete(arn);
    this.#instancesOfCluster.clear();
    if (before?.clusterName !== after?.clusterName) this.#arnsOfCluster.clear();
  }
}

function startingAfter(tasks: readonly Task[], after: string | undefined): readonly Task[] {
  return after === undefined ? tasks : tasks.filter(({ taskArn }) => taskArn > after);
}

function serviceKey(clusterName: string, serviceName: string): string {
  return `${clusterName} ${serviceName}`;
}

function serviceOf(task: Task | undefined): string | undefined {
  return task?.serviceName === undefined ? undefined : serviceKey(task.clusterName, task.serviceName);
}

/** Most changes of a task are reports of its agent, which move nothing but its status. */
function hasSameClaim(a: Task, b: Task): boolean {
  return (
    a.containerInstanceArn === b.containerInstanceArn &&
    a.resources === b.resources &&
    a.gpuIds === b.gpuIds &&
    a.desiredStatus === b.desiredStatus &&
    a.lostAt === b.lostAt &&
    a.serviceName === b.serviceName &&
    a.group === b.group
  );
}

type PlacedTask = Task & { containerInstanceArn: string };

function placed(task: Task | undefined): PlacedTask | undefined {
  return task !== undefined && isOccupying(task) ? task : undefined;
}

function isOccupying(task: Task): task is PlacedTask {
  return task.containerInstanceArn !== undefined;
}

/** Whether what the filter's group holds is what it asks for. */
function isOnlyAbout(filter: TaskFilter): boolean {
  const { containerInstanceArn, clusterName, serviceName, live: _live, ...others }: TaskFilter = filter;
  const named = containerInstanceArn === undefined || (clusterName === undefined && serviceName === undefined);
  return named && Object.values(others).every((value) => value === undefined);
}

function matches(task: Task, filter: TaskFilter): boolean {
  const {
    clusterName,
    containerInstanceArn,
    family,
    serviceName,
    startedBy,
    launchType,
    desiredStatus,
    capacityProviderName,
    waiting,
    present,
    // All that are here are.
    live: _live,
    ...forgotten
  } = filter;
  forgotten satisfies Record<string, never>;
  return (
    (present !== true || task.lostAt === undefined) &&
    (waiting !== true || task.lastStatus === 'PROVISIONING') &&
    (capacityProviderName === undefined || task.capacityProviderName === capacityProviderName) &&
    (clusterName === undefined || task.clusterName === clusterName) &&
    (containerInstanceArn === undefined || task.containerInstanceArn === containerInstanceArn) &&
    (family === undefined || task.family === family) &&
    (serviceName === undefined || task.serviceName === serviceName) &&
    (startedBy === undefined || task.startedBy === startedBy) &&
    (launchType === undefined || task.launchType === launchType) &&
    (desiredStatus === undefined || task.desiredStatus === desiredStatus)
  );
}

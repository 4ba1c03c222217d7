/**
 * What the live tasks of an instance take, and whose they are, added up: placement asks this of thousands of instances for each launch, and one task more
 * or less is one step. Values are never changed, only replaced.
 */
import { samePort, type HostPort, type TaskResources } from '#model/resources.ts';
import type { DesiredStatus } from '#model/task.ts';

export interface ClaimingTask {
  readonly resources: TaskResources;
  readonly gpuIds: readonly string[];
  readonly group: string;
  readonly serviceName?: string;
  readonly desiredStatus: DesiredStatus;
  readonly lostAt?: number;
}

export interface Claims {
  readonly resources: TaskResources;
  readonly gpuIds: readonly string[];
  /** Of those that are to run and are not lost: how many each service, and each group, has. */
  readonly services: ReadonlyMap<string, number>;
  readonly groups: ReadonlyMap<string, number>;
}

export const noClaims: Claims = {
  resources: { cpu: 0, memoryMiB: 0, ports: [], gpuCount: 0 },
  gpuIds: [],
  services: new Map(),
  groups: new Map(),
};

export function withClaim({ resources, gpuIds, services, groups }: Claims, task: ClaimingTask): Claims {
  return {
    resources: added(resources, task.resources, 1, joined(resources.ports, task.resources.ports)),
    gpuIds: joined(gpuIds, task.gpuIds),
    ...counted({ services, groups }, task, 1),
  };
}

/** The task is one that was added. */
export function withoutClaim({ resources, gpuIds, services, groups }: Claims, task: ClaimingTask): Claims {
  return {
    resources: added(resources, task.resources, -1, without(resources.ports, task.resources.ports, samePort)),
    gpuIds: without(gpuIds, task.gpuIds, (a, b) => a === b),
    ...counted({ services, groups }, task, -1),
  };
}

function added(to: TaskResources, task: TaskResources, sign: 1 | -1, ports: readonly HostPort[]): TaskResources {
  return {
    cpu: to.cpu + sign * task.cpu,
    memoryMiB: to.memoryMiB + sign * task.memoryMiB,
    ports,
    gpuCount: to.gpuCount + sign * task.gpuCount,
  };
}

/** Whether it is one of the tasks that its service, or its group, has: it is to run and is not lost. */
export function isCounted({ desiredStatus, lostAt }: Pick<ClaimingTask, 'desiredStatus' | 'lostAt'>): boolean {
  return desiredStatus === 'RUNNING' && lostAt === undefined;
}

function counted(
  { services, groups }: Pick<Claims, 'services' | 'groups'>,
  task: ClaimingTask,
  by: 1 | -1,
): Pick<Claims, 'services' | 'groups'> {
  if (!isCounted(task)) return { services, groups };
  const { group, serviceName } = task;
  return {
    services: serviceName === undefined ? services : countedUnder(services, serviceName, by),
    groups: countedUnder(groups, group, by),
  };
}

function countedUnder(counts: ReadonlyMap<string, number>, name: string, by: 1 | -1): ReadonlyMap<string, number> {
  const changed = new Map(counts);
  const count = (counts.get(name) ?? 0) + by;
  if (count === 0) changed.delete(name);
  else changed.set(name, count);
  return changed;
}

function joined<T>(items: readonly T[], more: readonly T[]): readonly T[] {
  return more.length === 0 ? items : [...items, ...more];
}

/** Each of `gone` once. */
function without<T>(items: readonly T[], gone: readonly T[], isSame: (a: T, b: T) => boolean): readonly T[] {
  let left = items;
  for (const each of gone) {
    const index = left.findIndex((item) => isSame(item, each));
    if (index >= 0) left = left.toSpliced(index, 1);
  }
  return left;
}

/**
 * A control group for a task as a whole: the parent of its containers' groups, with the CPU and memory of the task as hard limits. How it is made
 * depends on who owns the groups of this machine: with the engine's cgroupfs driver we write the kernel's files (version 1 or 2), with its
 * systemd driver a group must be a slice, and systemd is asked. Making and removing may be repeated.
 */
import { execFile } from 'node:child_process';
import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '#lib/errors.ts';
import type { EngineDescription } from '../engine/container-engine.ts';
import type { TaskLimits } from '../tasks/task-limits.ts';

export type CgroupSupport = { usable: true } | { usable: false; why: string };

export interface TaskCgroups {
  check(): Promise<CgroupSupport>;
  /** The group's name as the engine takes it for a parent. Rejects with a TaskCgroupError. */
  prepare(taskId: string, limits: TaskLimits): Promise<string>;
  /** Of a group whose containers have ended. Rejects with a TaskCgroupError as long as something is in it. */
  remove(taskId: string): Promise<void>;
  /** How many processes in the group the kernel has killed for want of memory; undefined where there is no group, or version 1, which does not say. */
  memoryKills(taskId: string): Promise<number | undefined>;
}

export class TaskCgroupError extends Error {
  override readonly name = 'TaskCgroupError';
}

export interface TaskCgroupsOptions {
  engine: { describe(): Promise<Pick<EngineDescription, 'cgroupDriver' | 'cgroupVersion'>> };
  /** Whether the engine is on this machine: groups elsewhere cannot be made. */
  local: boolean;
  /** Others than the machine's own in tests. */
  root?: string;
  systemctl?(words: readonly string[]): Promise<void>;
}

type Owner = Pick<TaskCgroups, 'prepare' | 'remove'> & {
  /** Rejects when nothing can be made here. */
  probe(): Promise<void>;
};

/** All our groups are below this one, as ECS's are below its own. */
const parent = 'ecs';
const periodMicroseconds = 100_000;
/** The kernel takes no shorter quota. */
const leastQuotaMicroseconds = 1000;
const unitsPerCore = 1024;
const mebibyte = 2 ** 20;

export function createTaskCgroups(options: TaskCgroupsOptions): TaskCgroups {
  const { root = '/sys/fs/cgroup', systemctl = runSystemctl } = options;

  async function owner(): Promise<Owner | string> {
    if (!options.local) return 'the container engine is on another machine';
    const { cgroupDriver, cgroupVersion } = await options.engine.describe();
    if (cgroupDriver === 'systemd') return slices(systemctl);
    if (cgroupDriver !== 'cgroupfs') return `the container engine has the cgroup driver ${cgroupDriver || 'none'}`;
    return cgroupVersion === '2' ? filesOfVersion2(root) : filesOfVersion1(root);
  }

  async function usable(): Promise<Owner> {
    const found = await owner();
    if (typeof found === 'string') throw new TaskCgroupError(`this machine cannot limit a task as a whole: ${found}`);
    return found;
  }

  return {
    async check() {
      const found = await owner();
      if (typeof found === 'string') return { usable: false, why: found };
      try {
        await found.probe();
        return { usable: true };
      } catch (error) {
        return { usable: false, why: messageOf(error) };
      }
    },
    async prepare(taskId, limits) {
      const found = await usable();
      return named('could not be made', () => found.prepare(taskId, limits));
    },
    async remove(taskId) {
      const found = await owner();
      if (typeof found === 'string') return;
      await named('could not be removed', () => found.remove(taskId));
    },
    // Whoever owns the group: it is asked at every look at a container, which is too often to ask the engine as well.
    async memoryKills(taskId) {
      for (const group of [join(parent, taskId), join(`${parent}.slice`, sliceOf(taskId))]) {
        const events = await readIfThere(join(root, group, 'memory.events'));
        if (events !== undefined) return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0);
      }
      return undefined;
    },
  };
}

async function named<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new TaskCgroupError(`the control group of the task ${what}: ${messageOf(cause)}`, { cause });
  }
}

/** A hierarchy for each controller; the engine makes the same path in all of them. */
function filesOfVersion1(root: string): Owner {
  return {
    async probe() {
      for (const controller of ['cpu', 'memory']) {
        await access(join(root, controller));
        await mkdir(join(root, controller, parent), { recursive: true });
      }
    },
    async prepare(taskId, { cpuUnits, memoryMiB }) {
      const cpu = join(root, 'cpu', parent, taskId);
      const memory = join(root, 'memory', parent, taskId);
      await mkdir(cpu, { recursive: true });
      await mkdir(memory, { recursive: true });
      if (cpuUnits !== undefined) {
        await writeFile(join(cpu, 'cpu.cfs_period_us'), String(periodMicroseconds));
        await writeFile(join(cpu, 'cpu.cfs_quota_us'), String(quotaOf(cpuUnits)));
      }
      if (memoryMiB !== undefined) await writeFile(join(memory, 'memory.limit_in_bytes'), String(memoryMiB * mebibyte));
      return `/${parent}/${taskId}`;
    },
    async remove(taskId) {
      for (const hierarchy of await readdir(root)) await removeFolder(join(root, hierarchy, parent, taskId));
    },
  };
}

/** One hierarchy, in which a group hands each controller on to those below it. */
function filesOfVersion2(root: string): Owner {
  async function handDown(): Promise<void> {
    await mkdir(join(root, parent), { recursive: true });
    for (const group of [root, join(root, parent)])
      await writeFile(join(group, 'cgroup.subtree_control'), '+cpu +memory');
  }
  return {
    probe: handDown,
    async prepare(taskId, { cpuUnits, memoryMiB }) {
      await handDown();
      const group = join(root, parent, taskId);
      await mkdir(group, { recursive: true });
      if (cpuUnits !== undefined) {
        await writeFile(join(group, 'cpu.max'), `${quotaOf(cpuUnits)} ${periodMicroseconds}`);
      }
      if (memoryMiB !== undefined) await writeFile(join(group, 'memory.max'), String(memoryMiB * mebibyte));
      return `/${parent}/${taskId}`;
    },
    remove: (taskId) => removeFolder(join(root, parent, taskId)),
  };
}

/** Slices live until the next boot at most, as their tasks do; `ecs-x.slice` is below `ecs.slice` by its name. */
function slices(systemctl: (words: readonly string[]) => Promise<void>): Owner {
  return {
    probe: () => systemctl(['set-property', '--runtime', `${parent}.slice`, 'CPUAccounting=yes']),
    async prepare(taskId, { cpuUnits, memoryMiB }) {
      const slice = sliceOf(taskId);
      const properties = [
        ...(cpuUnits === undefined ? [] : [`CPUQuota=${Math.max(1, Math.round((cpuUnits * 100) / unitsPerCore))}%`]),
        ...(memoryMiB === undefined ? [] : [`MemoryMax=${memoryMiB * mebibyte}`]),
      ];
      await systemctl(['set-property', '--runtime', slice, ...properties]);
      return slice;
    },
    async remove(taskId) {
      await systemctl(['stop', sliceOf(taskId)]);
      await systemctl(['revert', sliceOf(taskId)]);
    },
  };
}

function sliceOf(taskId: string): string {
  return `${parent}-${taskId}.slice`;
}

function quotaOf(cpuUnits: number): number {
  return Math.max(leastQuotaMicroseconds, Math.round((cpuUnits * periodMicroseconds) / unitsPerCore));
}

/** A group that goes away while it is read has no such device. */
async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENODEV') return undefined;
    throw error;
  }
}

/** Already gone is removed; a hierarchy without such groups has none. */
async function removeFolder(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
  }
}

async function runSystemctl(words: readonly string[]): Promise<void> {
  await promisify(execFile)('systemctl', [...words], { timeout: 30_000 });
}

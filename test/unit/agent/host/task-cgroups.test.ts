/** The control group of a task, as each owner of the groups wants it made. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTaskCgroups, TaskCgroupError, type TaskCgroupsOptions } from '#agent/host/task-cgroups.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'berth-cgroup-'));
});
afterEach(() => rm(root, { recursive: true }));

function cgroups(cgroupDriver: string, cgroupVersion: '1' | '2', options: Partial<TaskCgroupsOptions> = {}) {
  const engine = { describe: async () => ({ cgroupDriver, cgroupVersion }) };
  return createTaskCgroups({ engine, local: true, root, ...options });
}

const text = (...path: string[]) => readFile(join(root, ...path), 'utf8');
const limits = { cpuUnits: 512, memoryMiB: 64 };

describe('with the cgroupfs driver on version 1', () => {
  beforeEach(async () => {
    for (const controller of ['cpu', 'memory', 'pids']) await mkdir(join(root, controller));
  });

  it('a group is a folder with a quota and a limit, in the hierarchies of both', async () => {
    expect(await cgroups('cgroupfs', '1').prepare('task1', limits)).toBe('/ecs/task1');
    expect(await text('cpu/ecs/task1/cpu.cfs_period_us')).toBe('100000');
    expect(await text('cpu/ecs/task1/cpu.cfs_quota_us')).toBe('50000');
    expect(await text('memory/ecs/task1/memory.limit_in_bytes')).toBe(`${64 * 2 ** 20}`);
  });

  it('one limit alone leaves the other alone', async () => {
    await cgroups('cgroupfs', '1').prepare('task1', { memoryMiB: 64 });
    expect(await readdir(join(root, 'cpu/ecs/task1'))).toEqual([]);
  });

  it('goes away in every hierarchy, those of the engine too, and may be gone already', async () => {
    for (const hierarchy of ['cpu', 'memory', 'pids'])
      await mkdir(join(root, hierarchy, 'ecs/task1'), { recursive: true });
    await cgroups('cgroupfs', '1').remove('task1');
    expect(await readdir(join(root, 'pids/ecs'))).toEqual([]);
    await cgroups('cgroupfs', '1').remove('task1');
  });

  it('one that still holds something is not given up', async () => {
    await mkdir(join(root, 'cpu/ecs/task1/container'), { recursive: true });
    await expect(cgroups('cgroupfs', '1').remove('task1')).rejects.toThrow(TaskCgroupError);
  });
});

describe('with the cgroupfs driver on version 2', () => {
  it('a group is a folder below one that hands the controllers down', async () => {
    expect(await cgroups('cgroupfs', '2').prepare('task1', limits)).toBe('/ecs/task1');
    expect(await text('cgroup.subtree_control')).toBe('+cpu +memory');
    expect(await text('ecs/cgroup.subtree_control')).toBe('+cpu +memory');
    expect(await text('ecs/task1/cpu.max')).toBe('50000 100000');
    expect(await text('ecs/task1/memory.max')).toBe(`${64 * 2 ** 20}`);
  });
});

describe('with the systemd driver', () => {
  it('a group is a slice, and systemd makes it and takes it away', async () => {
    const asked: string[] = [];
    const systemctl = async (words: readonly string[]) => void asked.push(words.join(' '));
    const slices = cgroups('systemd', '2', { systemctl });
    expect(await slices.prepare('task1', limits)).toBe('ecs-task1.slice');
    await slices.remove('task1');
    expect(asked).toEqual([
      'set-property --runtime ecs-task1.slice CPUQuota=50% MemoryMax=67108864',
      'stop ecs-task1.slice',
      'revert ecs-task1.slice',
    ]);
  });

  it('is no use when systemd refuses', async () => {
    const systemctl = async () => Promise.reject(new Error('Interactive authentication required.'));
    const slices = cgroups('systemd', '2', { systemctl });
    expect(await slices.check()).toEqual({ usable: false, why: 'Interactive authentication required.' });
    await expect(slices.prepare('task1', limits)).rejects.toThrow(
      'the control group of the task could not be made: Interactive authentication required.',
    );
  });
});

describe('kills for want of memory', () => {
  const events = 'low 0\nhigh 0\nmax 41\noom 2\noom_kill 2\noom_group_kill 0\n';

  it.each([
    ['cgroupfs', 'ecs/task1'],
    ['systemd', 'ecs.slice/ecs-task1.slice'],
  ] as const)('are counted by the kernel in the group that %s has made', async (driver, group) => {
    await mkdir(join(root, group), { recursive: true });
    await writeFile(join(root, group, 'memory.events'), events);
    expect(await cgroups(driver, '2').memoryKills('task1')).toBe(2);
  });

  it('are not known of a task without a group', async () => {
    expect(await cgroups('cgroupfs', '2').memoryKills('task1')).toBeUndefined();
  });
});

describe('a machine that cannot', () => {
  it.each([
    ['has no such hierarchy', 'cgroupfs', {}, /ENOENT/],
    ['has an engine without groups', 'none', {}, 'the container engine has the cgroup driver none'],
    ['has its engine elsewhere', 'cgroupfs', { local: false }, 'the container engine is on another machine'],
  ] as const)('%s', async (_, driver, options, why) => {
    const unable = cgroups(driver, '1', options);
    expect(await unable.check()).toEqual({ usable: false, why: expect.stringMatching(why) });
    if (driver === 'none') await expect(unable.prepare('task1', limits)).rejects.toThrow(TaskCgroupError);
  });

  it('is found out before there is a task', async () => {
    await writeFile(join(root, 'cpu'), '');
    expect(await cgroups('cgroupfs', '1').check()).toMatchObject({ usable: false });
  });
});

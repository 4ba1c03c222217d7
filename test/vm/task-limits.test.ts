/** The cpu and memory of a task as a whole on cgroup v2, with both cgroup drivers of the engine: seen from inside the machine, and taking effect. */
import { StopTaskCommand, type Task } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programs } from '#test/support/container-programs.ts';
import { container, looking, runToEnd, runUntil, until } from '../e2e/fields/inside.ts';
import { patiently } from './machine.ts';
import { groupOf, type Driver } from './task-group.ts';
import { openVmCell, type VmCell } from './vm-cell.ts';

const mebibyte = 2 ** 20;
const idles = [...programs.serves.command];
const held = { command: ['CMD', 'test', '-f', '/tmp/held'], interval: 10, timeout: 10 };
/** Without limits of its own. */
const unlimited = { cpu: 0, memory: undefined };

describe.each<{ driver: Driver }>([{ driver: 'systemd' }, { driver: 'cgroupfs' }])(
  'with the $driver driver',
  ({ driver }) => {
    let cell: VmCell;
    beforeAll(async () => {
      cell = await openVmCell({ engine: { 'exec-opts': [`native.cgroupdriver=${driver}`] } });
    });
    afterAll(() => cell.close());

    async function stop(task: Task): Promise<Task> {
      await cell.ecs.send(new StopTaskCommand({ task: task.taskArn }));
      return until(cell, task.taskArn ?? '', ({ lastStatus }) => lastStatus === 'STOPPED');
    }

    it('the machine has cgroup v2, and its registration offers limits of tasks', async () => {
      expect(await cell.machine.run('stat -fc %T /sys/fs/cgroup')).toBe('cgroup2fs');
      expect(await cell.engine.describe()).toMatchObject({ cgroupDriver: driver, cgroupVersion: '2' });
      const names = (await cell.instance()).attributes?.map(({ name }) => name);
      expect(names).toContain('ecs.capability.task-cpu-mem-limit');
    });

    describe('a task with cpu 512 and memory 256', () => {
      let task: Task;
      beforeAll(async () => {
        task = await runUntil(cell, 'RUNNING', {
          cpu: '512',
          memory: '256',
          containerDefinitions: [
            container('open', { ...unlimited, command: idles }),
            container('closed', { cpu: 256, memory: 64, memoryReservation: 32, command: idles }),
          ],
        });
      });

      it('has them as the limits of its group, and its containers are in there with their own', async () => {
        const group = groupOf(cell.machine, driver, task);
        expect(await group.read('memory.max')).toBe(`${256 * mebibyte}`);
        expect(await group.read('cpu.max')).toBe('50000 100000');
        const [open, closed] = await Promise.all(['open', 'closed'].map(async (name) => folderOf(task, name)));
        for (const folder of [open, closed]) expect(folder).toMatch(new RegExp(`^${group.path}/[^/]+$`));
        // Without a limit of its own the task's is its limit.
        expect(await cell.machine.read(`${open}/memory.max`)).toBe(`${256 * mebibyte}`);
        expect(await cell.machine.read(`${closed}/memory.max`)).toBe(`${64 * mebibyte}`);
        expect(await cell.machine.read(`${closed}/memory.low`)).toBe(`${32 * mebibyte}`);
        const weights = await Promise.all([open, closed].map((folder) => cell.machine.read(`${folder}/cpu.weight`)));
        expect(Number(weights[0])).toBeLessThan(Number(weights[1]));
      });

      it('gets half a core and no more', async () => {
        const group = groupOf(cell.machine, driver, task);
        const idle = await group.used();
        // Begun by the engine inside the container, and only for this: the emulated machine has no time to waste.
        await cell.machine.run(`docker exec -d ${idOf(task, 'open')} timeout 120 sh -c 'while :; do :; done'`);
        await patiently('the work to begin', async () => (await group.used()) > idle + 0.5);
        const { seconds, used, throttled } = await group.during(6);
        expect(used).toBeLessThan(seconds * 0.5 * 1.2);
        expect(used).toBeGreaterThan(seconds * 0.5 * 0.5);
        expect(throttled).toBeGreaterThan(0);
      });

      it('keeps containers and limits when the agent is killed, which takes the task up again', async () => {
        const pids = await pidsOf(task);
        const before = await cell.machine.run('systemctl show -P MainPID berth-agent');
        await cell.machine.run('systemctl kill -s KILL berth-agent');
        await patiently('another life of the agent', async () => {
          const now = await cell.machine.run('systemctl show -P MainPID berth-agent');
          return now !== '0' && now !== before && (await cell.instance()).agentConnected;
        });
        expect(await pidsOf(task)).toEqual(pids);
        const group = groupOf(cell.machine, driver, task);
        expect(await group.read('memory.max')).toBe(`${256 * mebibyte}`);
        expect(await group.read('cpu.max')).toBe('50000 100000');
        expect(await cell.task(task.taskArn ?? '')).toMatchObject({ lastStatus: 'RUNNING' });
      });

      it('leaves no group behind when it is cleaned up', async () => {
        const stopped = await stop(task);
        expect(stopped.stopCode).toBe('UserInitiated');
        const group = groupOf(cell.machine, driver, task);
        await patiently('the group to be gone', async () => !(await group.exists()));
        // Folders of systemd come and go while one looks, at which find ends with 1.
        const left = await cell.machine.run(
          `find /run/systemd /etc/systemd -name '*${group.path.split('-')[1] ?? driver}*' 2>/dev/null || :`,
        );
        expect(left).toBe('');
      });
    });

    it('who takes more memory than the task has is killed, although the container has no limit, and the reason says so', async () => {
      const { task, exitCodes } = await runToEnd(cell, {
        memory: '64',
        containerDefinitions: [
          container('hog', { ...unlimited, command: [...programs.eatsMemory.command] }),
          container('other', { ...unlimited, essential: false, command: idles }),
        ],
      });
      expect(exitCodes).toMatchObject({ hog: 137 });
      expect(task.stopCode).toBe('EssentialContainerExited');
      const hog = task.containers?.find(({ name }) => name === 'hog');
      expect(hog?.reason).toMatch(/^OutOfMemoryError: /);
    });

    it('who is within its own limit is killed when the task has no more, and the reason says so', async () => {
      const take = 'dd if=/dev/zero of=/dev/shm/taken bs=1M count=40 2>/dev/null';
      const small = { memory: 60, memoryReservation: 6 };
      const { task, exitCodes } = await runToEnd(cell, {
        memory: '64',
        containerDefinitions: [
          container('holds', {
            ...small,
            essential: false,
            command: ['sh', '-c', `${take}; touch /tmp/held; ${idles[2]}`],
            healthCheck: held,
          }),
          container('takes', {
            ...small,
            dependsOn: [{ containerName: 'holds', condition: 'HEALTHY' }],
            command: [...programs.eatsMemory.command],
          }),
        ],
      });
      expect(exitCodes['takes']).toBe(137);
      const takes = task.containers?.find(({ name }) => name === 'takes');
      expect(takes?.reason).toMatch(/^OutOfMemoryError: /);
    });

    it('a task without limits has no group of its own, and its containers have theirs', async () => {
      const { task, said } = await runToEnd(cell, {
        containerDefinitions: [
          container('app', {
            memoryReservation: 16,
            linuxParameters: { maxSwap: 8, swappiness: 10 },
            command: looking({
              weight: 'cat /sys/fs/cgroup/cpu.weight',
              hard: 'cat /sys/fs/cgroup/memory.max',
              soft: 'cat /sys/fs/cgroup/memory.low',
              swap: 'cat /sys/fs/cgroup/memory.swap.max',
            }),
          }),
        ],
      });
      const [hard, soft, swap] = [32, 16, 8].map((size) => `${size * mebibyte}`);
      expect(said['app']).toEqual({ weight: '1', hard, soft, swap });
      expect(await groupOf(cell.machine, driver, task).exists()).toBe(false);
    });

    function idOf(task: Task, name: string): string {
      return task.containers?.find((one) => one.name === name)?.runtimeId ?? '';
    }

    async function folderOf(task: Task, name: string): Promise<string> {
      const pid = await cell.machine.run(`docker inspect -f '{{.State.Pid}}' ${idOf(task, name)}`);
      return `/sys/fs/cgroup${(await cell.machine.read(`/proc/${pid}/cgroup`)).slice('0::'.length)}`;
    }

    async function pidsOf(task: Task): Promise<string> {
      return cell.machine.run(`docker inspect -f '{{.State.Pid}}' ${idOf(task, 'open')} ${idOf(task, 'closed')}`);
    }
  },
);

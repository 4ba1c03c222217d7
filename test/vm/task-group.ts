/** The control group of a task on the machine under test, as its kernel shows it (cgroup v2). */
import type { Task } from '@aws-sdk/client-ecs';
import { arnId } from '#model/arn.ts';
import type { Machine } from './machine.ts';

export type Driver = 'systemd' | 'cgroupfs';

export interface TaskGroup {
  path: string;
  /** A file of the group itself. */
  read(file: string): Promise<string>;
  exists(): Promise<boolean>;
  /** Microseconds of processor time that the group took during some seconds of the machine's own. */
  usedDuring(seconds: number): Promise<{ usedUs: number; throttled: number }>;
}

/** A systemd engine wants slices, and a slice is below another by its name. */
export function groupOf(machine: Machine, driver: Driver, task: Task): TaskGroup {
  const id = arnId(task.taskArn ?? '');
  const path = driver === 'systemd' ? `/sys/fs/cgroup/ecs.slice/ecs-${id}.slice` : `/sys/fs/cgroup/ecs/${id}`;
  const field = (name: string): string => `sed -n 's/^${name} //p' ${path}/cpu.stat`;
  return {
    path,
    read: (file) => machine.read(`${path}/${file}`),
    exists: async () => (await machine.run(`test -d ${path} && echo yes || echo no`)) === 'yes',
    async usedDuring(seconds) {
      const look = `${field('usage_usec')}; ${field('nr_throttled')}`;
      const lines = (await machine.run(`${look}; sleep ${seconds}; ${look}`)).split('\n').map(Number);
      const [usedBefore = 0, throttledBefore = 0, usedAfter = 0, throttledAfter = 0] = lines;
      return { usedUs: usedAfter - usedBefore, throttled: throttledAfter - throttledBefore };
    },
  };
}

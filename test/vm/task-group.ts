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
  /** Seconds of processor time that it has taken since it was made. */
  used(): Promise<number>;
  /** During some seconds of the machine's own: how many passed, what the group took, and in how many periods it was held back. */
  during(seconds: number): Promise<{ seconds: number; used: number; throttled: number }>;
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
    used: async () => Number(await machine.run(field('usage_usec'))) / 1e6,
    async during(asked) {
      const look = `cut -d ' ' -f 1 /proc/uptime; ${field('usage_usec')}; ${field('nr_throttled')}`;
      const lines = (await machine.run(`${look}; sleep ${asked}; ${look}`)).split('\n').map(Number);
      const [began = 0, usedBefore = 0, throttledBefore = 0, ended = 0, usedAfter = 0, throttledAfter = 0] = lines;
      const used = (usedAfter - usedBefore) / 1e6;
      return { seconds: ended - began, used, throttled: throttledAfter - throttledBefore };
    },
  };
}

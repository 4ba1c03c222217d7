/** I7: nothing is promised away twice, neither in control's books nor on the machines. */
import {
  remainingResources,
  samePort,
  type HostPort,
  type InstanceResources,
  type TaskResources,
} from '#model/resources.ts';
import { arnId } from '#model/arn.ts';
import type { Task } from '#model/task.ts';
import type { Rows, StepChanges } from '../mirror.ts';
import { Violation } from '../violation.ts';

/** The books: on each instance that was given a task, what its live tasks hold fits. */
export function checkBooks(changes: StepChanges, rows: Rows): void {
  const touched = new Set(
    changes.tasks.flatMap(({ before, after }) =>
      before?.containerInstanceArn === undefined ? (after?.containerInstanceArn ?? []) : [],
    ),
  );
  for (const arn of touched) {
    const instance = rows.instances.get(arn);
    if (instance === undefined) throw new Violation('I7', `a task was placed on ${arn}, which is not known`);
    checkFit(`the books of ${arn}`, instance.resources, rows.liveOn(arn));
  }
}

/** Throws when the tasks do not fit beside each other. */
export function checkFit(
  where: string,
  total: InstanceResources,
  tasks: readonly Pick<Task, 'resources' | 'taskArn' | 'lastStatus'>[],
): void {
  const left = remainingResources(total, tasks);
  if (left.cpu < 0 || left.memoryMiB < 0) {
    const who = tasks.map(({ taskArn, lastStatus }) => `${arnId(taskArn).slice(0, 8)} ${lastStatus}`).join(', ');
    throw new Violation('I7', `${where}: ${left.cpu} CPU units and ${left.memoryMiB} MiB left with ${who}`);
  }
  const seen: HostPort[] = [...total.takenPorts];
  for (const port of tasks.flatMap(({ resources }: { resources: TaskResources }) => resources.ports)) {
    if (seen.some((other) => samePort(other, port)))
      throw new Violation('I7', `${where}: port ${port.port} is given twice`);
    seen.push(port);
  }
}

/** Tasks that have something in common, counted, and listed in the order of their ARNs without sorting all of them for each question. */
import type { Task, TaskStatus } from '#model/task.ts';

const pendingStatuses: ReadonlySet<TaskStatus> = new Set(['PROVISIONING', 'PENDING', 'ACTIVATING']);

export class TaskGroup {
  readonly #tasks = new Map<string, Task>();
  /** The answer to the last question, as long as it is true. */
  #inOrder: readonly Task[] | undefined;
  /** Sorted but for those that came since the last question; those that left are still in here. */
  #arns: string[] = [];
  #all = { running: 0, pending: 0 };
  #lost = { running: 0, pending: 0 };

  /** `present`: without the lost ones. */
  counts(present: boolean): { running: number; pending: number } {
    const [{ running, pending }, lost] = [this.#all, this.#lost];
    return present ? { running: running - lost.running, pending: pending - lost.pending } : { running, pending };
  }

  get size(): number {
    return this.#tasks.size;
  }

  set(task: Task): void {
    const before = this.#tasks.get(task.taskArn);
    if (before === undefined) this.#arns.push(task.taskArn);
    else this.#count(before, -1);
    this.#tasks.set(task.taskArn, task);
    this.#count(task, 1);
    this.#inOrder = undefined;
  }

  delete({ taskArn }: Task): void {
    const before = this.#tasks.get(taskArn);
    if (before === undefined) return;
    this.#tasks.delete(taskArn);
    this.#count(before, -1);
    // It may come back, and must not be listed twice then.
    this.#arns = this.#arns.length > 2 * this.#tasks.size + 16 ? [...this.#tasks.keys()] : this.#arns;
    this.#inOrder = undefined;
  }

  inOrder(): readonly Task[] {
    this.#inOrder ??= this.#list();
    return this.#inOrder;
  }

  #list(): Task[] {
    this.#arns.sort();
    const tasks: Task[] = [];
    const kept: string[] = [];
    let last: string | undefined;
    for (const arn of this.#arns) {
      const task = arn === last ? undefined : this.#tasks.get(arn);
      last = arn;
      if (task === undefined) continue;
      tasks.push(task);
      kept.push(arn);
    }
    this.#arns = kept;
    return tasks;
  }

  #count({ lastStatus, lostAt }: Task, by: number): void {
    const kind = lastStatus === 'RUNNING' ? 'running' : pendingStatuses.has(lastStatus) ? 'pending' : undefined;
    if (kind === undefined) return;
    this.#all[kind] += by;
    if (lostAt !== undefined) this.#lost[kind] += by;
  }
}

/** Tasks that have something in common, counted, and listed in the order of their ARNs without sorting all of them for each question. */
import type { Task, TaskStatus } from '#model/task.ts';

const pendingStatuses: ReadonlySet<TaskStatus> = new Set(['PROVISIONING', 'PENDING', 'ACTIVATING']);

export class TaskGroup {
  readonly #tasks = new Map<string, Task>();
  /** The answer to the last question, as long as it is true. */
  #inOrder: readonly Task[] | undefined;
  /** In order; those that left are still in here. */
  #arns: string[] = [];
  /** Those that came since the last question. */
  #newcomers: string[] = [];
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
    if (before === undefined) this.#newcomers.push(task.taskArn);
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
    this.#inOrder = undefined;
    if (this.#arns.length + this.#newcomers.length <= 2 * this.#tasks.size + 16) return;
    this.#arns = [];
    this.#newcomers = [...this.#tasks.keys()];
  }

  inOrder(): readonly Task[] {
    this.#inOrder ??= this.#list();
    return this.#inOrder;
  }

  /** Those after the ARN, in order, one by one: a page needs few of them. */
  *from(after = ''): Generator<Task> {
    this.#sortIn();
    for (let index = indexAfter(this.#arns, after); index < this.#arns.length; index += 1) {
      const task = this.#tasks.get(this.#arns[index] ?? '');
      if (task !== undefined) yield task;
    }
  }

  #list(): Task[] {
    this.#sortIn();
    const tasks: Task[] = [];
    for (const arn of this.#arns) {
      const task = this.#tasks.get(arn);
      if (task !== undefined) tasks.push(task);
    }
    if (tasks.length < this.#arns.length) this.#arns = tasks.map(({ taskArn }) => taskArn);
    return tasks;
  }

  /** Few come between two questions, so they alone are sorted. One that left and came back is in order once. */
  #sortIn(): void {
    if (this.#newcomers.length === 0) return;
    const newcomers = this.#newcomers.toSorted();
    this.#newcomers = [];
    const merged: string[] = [];
    let next = 0;
    for (const arn of newcomers) {
      for (let known = this.#arns[next]; known !== undefined && known <= arn; known = this.#arns[next]) {
        if (merged.at(-1) !== known) merged.push(known);
        next += 1;
      }
      if (merged.at(-1) !== arn) merged.push(arn);
    }
    for (; next < this.#arns.length; next += 1) merged.push(this.#arns[next] ?? '');
    this.#arns = merged;
  }

  #count({ lastStatus, lostAt }: Task, by: number): void {
    const kind = lastStatus === 'RUNNING' ? 'running' : pendingStatuses.has(lastStatus) ? 'pending' : undefined;
    if (kind === undefined) return;
    this.#all[kind] += by;
    if (lostAt !== undefined) this.#lost[kind] += by;
  }
}

/** Of the first that is greater. */
function indexAfter(sorted: readonly string[], after: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

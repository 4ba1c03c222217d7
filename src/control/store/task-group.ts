/** Tasks that have something in common, counted, and listed in the order of their ARNs without sorting all of them for each question. */
import type { Task, TaskStatus } from '#model/task.ts';
import { SortedKeys } from './sorted-keys.ts';

const pendingStatuses: ReadonlySet<TaskStatus> = new Set(['PROVISIONING', 'PENDING', 'ACTIVATING']);

export class TaskGroup<Item extends Task = Task> {
  readonly #tasks = new Map<string, Item>();
  /** The answer to the last question, as long as it is true. */
  #inOrder: readonly Item[] | undefined;
  /** Those that left are still in here. */
  readonly #arns = new SortedKeys();
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

  set(task: Item): void {
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
    if (this.#arns.size + this.#newcomers.length <= 2 * this.#tasks.size + 16) return;
    this.#arns.replace([]);
    this.#newcomers = [...this.#tasks.keys()];
  }

  inOrder(): readonly Item[] {
    this.#inOrder ??= this.#list();
    return this.#inOrder;
  }

  /** Those after the ARN, in order, one by one: a page needs few of them. */
  *from(after?: string): Generator<Item> {
    this.#sortIn();
    for (const arn of this.#arns.from(after)) {
      const task = this.#tasks.get(arn);
      if (task !== undefined) yield task;
    }
  }

  #list(): Item[] {
    this.#sortIn();
    const tasks: Item[] = [];
    this.#arns.each((arn) => {
      const task = this.#tasks.get(arn);
      if (task !== undefined) tasks.push(task);
    });
    if (tasks.length < this.#arns.size) this.#arns.replace(tasks.map(({ taskArn }) => taskArn));
    return tasks;
  }

  /** Few come between two questions. */
  #sortIn(): void {
    if (this.#newcomers.length === 0) return;
    this.#arns.addAll(this.#newcomers);
    this.#newcomers = [];
  }

  #count({ lastStatus, lostAt }: Task, by: number): void {
    const kind = lastStatus === 'RUNNING' ? 'running' : pendingStatuses.has(lastStatus) ? 'pending' : undefined;
    if (kind === undefined) return;
    this.#all[kind] += by;
    if (lostAt !== undefined) this.#lost[kind] += by;
  }
}

/**
 * For how long control saw each task RUNNING. Reports come late, from an agent that was cut off, stood still or had a full disk: a task that ended at once by
 * the clock of its machine may have been RUNNING to control for minutes, and counted as a success.
 */
import type { Task } from '#model/task.ts';
import type { Change } from '../mirror.ts';

export const quickCrashMs = 10_000;

export class SeenRunning {
  /** By ARN, since when: by the true clock, and by control's, which may be set in between. */
  readonly #since = new Map<string, readonly number[]>();
  readonly #long = new Set<string>();
  readonly #forgotten = new Map<string, number>();

  /** `clocks`: the same moment by each of them, epoch milliseconds. */
  note({ before, after }: Change<Task>, clocks: readonly number[]): void {
    if (after === undefined) {
      const id = before?.deploymentId ?? '';
      this.#forgotten.set(id, this.forgottenOf(id) + 1);
      return;
    }
    const { taskArn, lastStatus } = after;
    const since = this.#since.get(taskArn);
    if (since === undefined) {
      if (lastStatus === 'RUNNING') this.#since.set(taskArn, clocks);
    } else if (lastStatus !== 'RUNNING' && before?.lastStatus === 'RUNNING') {
      if (clocks.some((now, index) => now - (since[index] ?? now) >= quickCrashMs)) this.#long.add(taskArn);
    }
  }

  /** Before it was known to be ending. */
  forLong(taskArn: string): boolean {
    return this.#long.has(taskArn);
  }

  /** How many tasks of the deployment have no row any more: one that ended on a machine whose clock is a day behind is forgotten at once. */
  forgottenOf(deploymentId: string): number {
    return this.#forgotten.get(deploymentId) ?? 0;
  }
}

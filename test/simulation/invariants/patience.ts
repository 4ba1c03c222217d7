/** I17, its end: a lost task whose machine stays silent is declared STOPPED after a day, and not before. */
import { arnId } from '#model/arn.ts';
import type { Task } from '#model/task.ts';
import { isDecided, type Change } from '../mirror.ts';
import { Violation } from '../violation.ts';

const patienceMs = 24 * 3_600_000;

export function checkPatience({ before, after }: Change<Task>): void {
  if (before === undefined || after?.lastStatus !== 'STOPPED' || before.lastStatus === 'STOPPED') return;
  if (after.stopCode !== 'InfrastructureHealth' || !isDecided({ before, after })) return;
  const { taskArn, lostAt, stoppedAt = 0 } = after;
  if (lostAt === undefined) throw new Violation('I17', `${arnId(taskArn)} was not lost and is declared STOPPED`);
  if (stoppedAt - lostAt < patienceMs) {
    const minutes = Math.round((stoppedAt - lostAt) / 60_000);
    throw new Violation('I17', `${arnId(taskArn)} was declared STOPPED ${minutes} min after it was lost`);
  }
}

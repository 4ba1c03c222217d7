/** I21: nobody replaces a task that belongs to no service, so nobody may stop it for reasons of his own. */
import { arnId } from '#model/arn.ts';
import type { StopCode, Task } from '#model/task.ts';
import type { Change } from '../mirror.ts';
import { Violation } from '../violation.ts';

/** Codes of what control decides by itself; no user here chooses that a drain stops tasks. */
const ofItsOwn: ReadonlySet<Task['stopCode']> = new Set<StopCode>(['ServiceSchedulerInitiated', 'TerminationNotice']);

export function checkStandalone({ before, after }: Change<Task>): void {
  if (before?.desiredStatus !== 'RUNNING' || after?.desiredStatus !== 'STOPPED') return;
  if (after.serviceName !== undefined || !ofItsOwn.has(after.stopCode)) return;
  throw new Violation('I21', `${arnId(after.taskArn)} belongs to no service and was stopped: ${after.stoppedReason}`);
}

/** I21: nobody replaces a task that belongs to no service, so nobody may stop it for reasons of his own. */
import { arnId } from '#model/arn.ts';
import type { Task } from '#model/task.ts';
import type { Change } from '../mirror.ts';
import { Violation } from '../violation.ts';

export function checkStandalone({ before, after }: Change<Task>): void {
  if (before?.desiredStatus !== 'RUNNING' || after?.desiredStatus !== 'STOPPED') return;
  if (after.serviceName !== undefined || after.stopCode !== 'ServiceSchedulerInitiated') return;
  throw new Violation('I21', `${arnId(after.taskArn)} belongs to no service and was stopped: ${after.stoppedReason}`);
}

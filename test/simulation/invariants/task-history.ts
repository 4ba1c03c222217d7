/** I1 and I2: how one task's row may change. */
import { taskStatusRank, type Task } from '#model/task.ts';
import type { Change } from '../mirror.ts';
import { Violation } from '../violation.ts';

export function checkTaskHistory({ before, after }: Change<Task>): void {
  if (before === undefined) return;
  const { taskArn } = before;
  if (after === undefined) {
    if (before.lastStatus !== 'STOPPED') throw new Violation('I1', `${taskArn} was ${before.lastStatus} and is gone`);
    return;
  }
  if (taskStatusRank(after.lastStatus) < taskStatusRank(before.lastStatus)) {
    throw new Violation('I1', `${taskArn} went from ${before.lastStatus} back to ${after.lastStatus}`);
  }
  if (before.desiredStatus === 'STOPPED' && after.desiredStatus === 'RUNNING') {
    throw new Violation('I1', `${taskArn} shall run again after it was told to stop`);
  }
  if (after.lastStatus === 'STOPPED' && after.desiredStatus !== 'STOPPED') {
    throw new Violation('I1', `${taskArn} is STOPPED and shall be ${after.desiredStatus}`);
  }
  if (after.stateChangeNumber < before.stateChangeNumber) {
    throw new Violation('I1', `${taskArn} went back to state change ${after.stateChangeNumber}`);
  }
  if (before.containerInstanceArn !== undefined && before.containerInstanceArn !== after.containerInstanceArn) {
    throw new Violation('I2', `${taskArn} moved from ${before.containerInstanceArn} to ${after.containerInstanceArn}`);
  }
}

/** I18: that a restored database does not know a task is no reason to stop it. */
import type { SimulatedHost } from '#test/support/simulated-host.ts';
import { arnId } from '#model/arn.ts';
import { Violation } from '../violation.ts';

export function checkForgotten({ journal, name }: SimulatedHost, forgotten: ReadonlySet<string>): void {
  for (const { taskArn, desiredStatus, ended } of journal.knownTasks()) {
    if (!ended && desiredStatus === 'STOPPED' && forgotten.has(taskArn)) {
      throw new Violation('I18', `${name} is told to stop ${arnId(taskArn)}, which control has only forgotten`);
    }
  }
}

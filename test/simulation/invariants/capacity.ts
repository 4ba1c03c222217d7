/** I24: a provider's tasks are placed within its group. Here the group and its provider have the same name. */
import { arnId } from '#model/arn.ts';
import { attributeValue } from '#model/attributes.ts';
import { instanceGroupAttribute } from '#model/capacity-provider.ts';
import { instanceAttributes } from '#model/container-instance.ts';
import type { Task } from '#model/task.ts';
import type { Change, Rows } from '../mirror.ts';
import { Violation } from '../violation.ts';

export function checkProvider({ before, after }: Change<Task>, rows: Rows): void {
  if (after?.capacityProviderName === undefined || after.containerInstanceArn === undefined) return;
  if (before?.containerInstanceArn !== undefined) return;
  const instance = rows.instances.get(after.containerInstanceArn);
  const group = instance && attributeValue(instanceAttributes(instance), instanceGroupAttribute);
  if (group === after.capacityProviderName) return;
  const where = `an instance of the group ${group ?? 'none'}`;
  throw new Violation('I24', `${arnId(after.taskArn)} of the provider ${after.capacityProviderName} is on ${where}`);
}

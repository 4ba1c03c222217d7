/**
 * The line of assignments of an instance: whatever control changes for an instance's tasks takes the next number, so that a session
 * knows what it has not sent yet. Changes of one transaction may share a number, which saves writes of the instance.
 */
import type { ContainerInstance } from '#model/container-instance.ts';
import type { StoreTransaction } from '#control/store/store.ts';

/** Takes the next number of the instance and saves it. Throws when there is no such instance: tasks are only assigned to known ones. */
export async function nextAssignmentNumber(tx: StoreTransaction, containerInstanceArn: string): Promise<number> {
  const instance = await tx.containerInstances.get(containerInstanceArn);
  if (instance === undefined) throw new UnknownInstanceError(containerInstanceArn);
  const assignmentNumber = instance.assignmentNumber + 1;
  await tx.containerInstances.moveLines([{ ...instance, assignmentNumber }]);
  return assignmentNumber;
}

/** Takes numbers for several changes of one transaction: each instance's line moves once. */
export function assignmentNumbers(tx: StoreTransaction): (containerInstanceArn: string) => Promise<number> {
  const taken = new Map<string, Promise<number>>();
  return (containerInstanceArn) => {
    const known = taken.get(containerInstanceArn);
    if (known !== undefined) return known;
    const number = nextAssignmentNumber(tx, containerInstanceArn);
    taken.set(containerInstanceArn, number);
    return number;
  };
}

/** Takes the next number of each of these instances, as they were read in this transaction. Answers the numbers by ARN. */
export async function takeAssignmentNumbers(
  tx: StoreTransaction,
  instances: readonly ContainerInstance[],
): Promise<ReadonlyMap<string, number>> {
  const moved = instances.map((instance) => ({ ...instance, assignmentNumber: instance.assignmentNumber + 1 }));
  if (moved.length > 0) await tx.containerInstances.moveLines(moved);
  return new Map(moved.map(({ containerInstanceArn, assignmentNumber }) => [containerInstanceArn, assignmentNumber]));
}

export class UnknownInstanceError extends Error {
  override readonly name = 'UnknownInstanceError';
  readonly containerInstanceArn: string;

  constructor(containerInstanceArn: string) {
    super(`no container instance ${containerInstanceArn}`);
    this.containerInstanceArn = containerInstanceArn;
  }
}

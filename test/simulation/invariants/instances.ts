/** I22: a machine is the same container instance until a user deregisters it, whatever it is called and however often it joins. */
import { arnId } from '#model/arn.ts';
import type { Ledger } from '../ledger.ts';
import type { Rows, StepChanges } from '../mirror.ts';
import { Violation } from '../violation.ts';

export function checkInstances({ instances }: StepChanges, rows: Rows, ledger: Ledger): void {
  for (const { before, after } of instances) {
    const arn = before?.containerInstanceArn ?? after?.containerInstanceArn ?? '';
    if (after === undefined) throw new Violation('I22', `the container instance ${arnId(arn)} is gone`);
    const { status, machineId, hostname } = after;
    if (before !== undefined && before.machineId !== machineId) {
      throw new Violation('I22', `the container instance ${arnId(arn)} became another machine`);
    }
    if (before?.status === 'INACTIVE' && status !== 'INACTIVE') {
      throw new Violation('I22', `${hostname} was deregistered and is ${status} again`);
    }
    if (
      before !== undefined &&
      before.status !== 'INACTIVE' &&
      status === 'INACTIVE' &&
      !ledger.mayBeDeregistered(arn)
    ) {
      throw new Violation('I22', `${hostname} is INACTIVE, and nobody deregistered it`);
    }
    if (before !== undefined) continue;
    const others = [...rows.instances.values()].filter(
      (other) => other.machineId === machineId && other.containerInstanceArn !== arn && other.status !== 'INACTIVE',
    );
    if (others.length > 0) throw new Violation('I22', `${hostname} is registered a second time`);
  }
}

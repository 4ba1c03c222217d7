/** The owners of machines: they drain them, in some hurry or none, take them back, and take them away. */
import { int, pick, type Random } from '#lib/random.ts';
import type { WorkloadOptions } from './workload-options.ts';

export async function drain({ random, rows, call }: WorkloadOptions): Promise<void> {
  const active = [...rows.instances.values()].filter(({ status }) => status === 'ACTIVE');
  if (active.length < 2) return;
  const { containerInstanceArn } = pick(random, active);
  const tags = someDrainTags(random);
  if (tags.length > 0) await call('TagResource', { resourceArn: containerInstanceArn, tags });
  await setStatus(call, containerInstanceArn, 'DRAINING');
}

/** They stay for the next drain. A deadline is over before the quiet minutes at the end. */
function someDrainTags(random: Random): { key: string; value: string }[] {
  const tags: { key: string; value: string }[] = [];
  if (int(random, 1, 3) === 1) tags.push({ key: 'berth:drain-deadline', value: pick(random, ['30s', '3m', '7m']) });
  if (int(random, 1, 3) === 1) tags.push({ key: 'berth:drain-standalone', value: pick(random, ['stop', 'wait']) });
  return tags;
}

export async function activate({ random, rows, call }: WorkloadOptions): Promise<void> {
  const draining = [...rows.instances.values()].filter(({ status }) => status === 'DRAINING');
  if (draining.length > 0) await setStatus(call, pick(random, draining).containerInstanceArn, 'ACTIVE');
}

async function setStatus(call: WorkloadOptions['call'], containerInstance: string, status: string): Promise<void> {
  await call('UpdateContainerInstancesState', { containerInstances: [containerInstance], status });
}

export async function deregisterInstance({ random, ledger, rows, call }: WorkloadOptions): Promise<void> {
  const known = [...rows.instances.values()].filter(({ status }) => status !== 'INACTIVE');
  if (known.length < 2) return;
  const { containerInstanceArn } = pick(random, known);
  ledger.deregistering(containerInstanceArn);
  await call('DeregisterContainerInstance', { containerInstance: containerInstanceArn, force: true });
}

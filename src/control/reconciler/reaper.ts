/** Forgets what is over: stopped tasks and deleted services after their retention, idempotency records, deleted task definitions out of use. */
import type { Clock } from '#lib/clock.ts';
import type { Service } from '#model/service.ts';
import type { Store, StoreTransaction } from '#control/store/store.ts';

export interface ReaperDeps {
  store: Store;
  clock: Clock;
  /** ECS promises an hour at least. */
  stoppedTaskRetentionMs: number;
}

/** Small transactions, so that nobody waits long for the reaper. */
const batch = 200;

export async function reap(deps: ReaperDeps): Promise<void> {
  const before = deps.clock.now() - deps.stoppedTaskRetentionMs;
  while ((await reapTasks(deps, before)) === batch);
  await reapServices(deps, before);
  await reapTaskDefinitions(deps);
  await deps.store.write((tx) => tx.idempotency.deleteExpired(deps.clock.now()));
}

function reapTasks({ store }: ReaperDeps, before: number): Promise<number> {
  return store.write(async (tx) => {
    const arns = await tx.tasks.stoppedBefore(before, batch);
    if (arns.length > 0) await tx.tasks.delete(arns);
    return arns.length;
  });
}

async function reapServices({ store }: ReaperDeps, before: number): Promise<void> {
  const expired: Service[] = [];
  let after: string | undefined;
  do {
    const page = await store.read((tx) => tx.services.list({ statuses: ['INACTIVE'] }, pageAfter(after)));
    expired.push(...page.items.filter((service) => (service.deletedAt ?? Infinity) < before));
    after = page.next;
  } while (after !== undefined);
  for (const { clusterName, serviceName } of expired) {
    await store.write(async (tx) => {
      const current = await tx.services.get(clusterName, serviceName);
      if (current?.status === 'INACTIVE') await tx.services.delete(clusterName, serviceName);
    });
  }
}

async function reapTaskDefinitions({ store }: ReaperDeps): Promise<void> {
  let after: string | undefined;
  do {
    const page = await store.read((tx) =>
      tx.taskDefinitions.list({ status: 'DELETE_IN_PROGRESS', sort: 'ASC' }, pageAfter(after)),
    );
    for (const { family, revision } of page.items) await store.write((tx) => deleteIfUnused(tx, family, revision));
    after = page.next;
  } while (after !== undefined);
}

async function deleteIfUnused(tx: StoreTransaction, family: string, revision: number): Promise<void> {
  const definition = await tx.taskDefinitions.get(family, revision);
  if (definition?.status !== 'DELETE_IN_PROGRESS') return;
  if (await tx.tasks.definitionInUse(definition.taskDefinitionArn)) return;
  await tx.taskDefinitions.delete(family, revision);
}

function pageAfter(after: string | undefined): { after?: string; limit: number } {
  return after === undefined ? { limit: batch } : { after, limit: batch };
}

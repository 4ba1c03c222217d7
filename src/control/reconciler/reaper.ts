/** Forgets what is over: stopped tasks and deleted services after their retention, the history of services beyond its length, idempotency records, activations and certificates that have ended, deleted task definitions out of use. */
import type { Clock } from '#lib/clock.ts';
import { arnId, clusterNameInArn } from '#model/arn.ts';
import { daysMs, lapsedGraceMs } from '#model/machine-trust.ts';
import { isFinal, serviceRevisionArn } from '#model/service-deployment.ts';
import type { Service } from '#model/service.ts';
import type { Store, StoreTransaction } from '#control/store/store.ts';

export interface ReaperDeps {
  store: Store;
  clock: Clock;
  /** ECS promises an hour at least. */
  stoppedTaskRetentionMs: number;
}

/** How long one that has expired is still described. */
const activationsKeptMs = 7 * daysMs;

/** Small transactions, so that nobody waits long for the reaper. */
const batch = 200;

export async function reap(deps: ReaperDeps): Promise<void> {
  const before = deps.clock.now() - deps.stoppedTaskRetentionMs;
  while ((await reapTasks(deps, before)) === batch);
  await reapServices(deps, before);
  await reapHistory(deps);
  await reapTaskDefinitions(deps);
  await deps.store.write((tx) => tx.idempotency.deleteExpired(deps.clock.now()));
  await reapTrust(deps);
}

/** Certificates stay for as long as they may be renewed and then some, so that who comes too late is told why. */
async function reapTrust({ store, clock }: ReaperDeps): Promise<void> {
  const now = clock.now();
  await store.write(async (tx) => {
    await tx.activations.deleteExpired(now - activationsKeptMs);
    await tx.machineCertificates.deleteExpired(now - 2 * lapsedGraceMs);
  });
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
      if (current?.status !== 'INACTIVE') return;
      await tx.services.delete(clusterName, serviceName);
      await tx.serviceDeployments.deleteOfService(current.serviceArn);
      await tx.serviceRevisions.deleteOfService(current.serviceArn);
    });
  }
}

/** The newest service deployments of each service that are kept however old they are. */
const keptDeployments = 100;

/** Revisions go when no service deployment that is kept, and no deployment of the service, names them. */
async function reapHistory({ store }: ReaperDeps): Promise<void> {
  const arns = await store.read((tx) => tx.serviceDeployments.servicesWithMoreThan(keptDeployments));
  for (const serviceArn of arns) {
    await store.write(async (tx) => {
      const { items: kept, next } = await tx.serviceDeployments.list({ serviceArn }, { limit: keptDeployments });
      if (next === undefined) return;
      const surplus = await tx.serviceDeployments.list({ serviceArn }, { limit: batch, after: next });
      await tx.serviceDeployments.delete(
        surplus.items.filter(({ status }) => isFinal(status)).map((each) => each.serviceDeploymentArn),
      );
      const service = await tx.services.get(clusterNameInArn(serviceArn) ?? '', arnId(serviceArn));
      const named = new Set([
        ...kept.flatMap((each) => [each.targetRevisionArn, ...each.sourceRevisionArns]),
        ...kept.flatMap(({ rollback }) => rollback?.serviceRevisionArn ?? []),
        ...(service?.deployments ?? []).map(({ id }) => serviceRevisionArn(serviceArn, id)),
      ]);
      const revisions = await tx.serviceRevisions.all(serviceArn);
      await tx.serviceRevisions.delete(
        revisions.map((revision) => revision.serviceRevisionArn).filter((arn) => !named.has(arn)),
      );
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

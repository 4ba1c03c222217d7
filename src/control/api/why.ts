/**
 * `GET /berth/v1/why?subject=&cluster=`: why a service, a task or a container instance is as it is (docs/why.md). The subject is a service's name or
 * ARN, or a task's or instance's ARN, id or beginning of the id, or the hostname of an instance. Reads only.
 */
import { z } from 'zod';
import { arnId, clusterNameInArn, clusterNameOf, parseArn, type Realm } from '#model/arn.ts';
import type { Cluster } from '#model/cluster.ts';
import { clusterNotFound, invalidParameter, whyNotFound } from '#protocol/ecs/errors.ts';
import type { WhyAnswer } from '#protocol/why.ts';
import { subjectName, type Explainer, type WhySubject } from '../reconciler/explainer.ts';
import type { StoreTransaction } from '../store/store.ts';
import { instanceArnIn, taskArnIn } from './lookups.ts';

const whyQuery = z.strictObject({
  subject: z.string().min(1).max(2048),
  cluster: z.string().max(2048).exactOptional(),
});

/** Throws an EcsError, also when nothing, or more than one thing, is called so. */
export async function explainWhy(
  query: unknown,
  { explainer, realm }: { explainer: Explainer; realm: Realm },
): Promise<WhyAnswer> {
  const parsed = whyQuery.safeParse(query);
  if (!parsed.success) throw invalidParameter('subject: expected a name, an id or an ARN, and perhaps a cluster');
  const { subject: reference, cluster } = parsed.data;
  return explainer.explain(async (tx) => {
    const isArn = reference.startsWith('arn:');
    const name = (isArn ? clusterNameInArn(reference) : undefined) ?? clusterNameOf(cluster);
    const found = await tx.clusters.get(name);
    if (found === undefined) throw clusterNotFound();
    const subject = isArn ? await byArn(tx, realm, found, reference) : await byName(tx, realm, found, reference);
    if (subject === undefined) throw whyNotFound(reference, found.clusterName);
    return { subject, cluster: found };
  });
}

async function byArn(
  tx: StoreTransaction,
  realm: Realm,
  { clusterName }: Cluster,
  arn: string,
): Promise<WhySubject | undefined> {
  const kind = parseArn(arn)?.resource.split('/')[0];
  if (kind === 'service') {
    const service = await tx.services.get(clusterName, arnId(arn));
    return service?.serviceArn === arn ? { kind: 'service', service } : undefined;
  }
  if (kind === 'task') return taskOf(tx, taskArnIn(realm, clusterName, arn));
  if (kind === 'container-instance') return instanceOf(tx, instanceArnIn(realm, clusterName, arn));
  throw invalidParameter(`subject: expected the ARN of a service, a task or a container instance, not ${arn}`);
}

async function byName(
  tx: StoreTransaction,
  realm: Realm,
  { clusterName }: Cluster,
  name: string,
): Promise<WhySubject | undefined> {
  const service = await tx.services.get(clusterName, name);
  if (service !== undefined) return { kind: 'service', service };
  const exact =
    (await taskOf(tx, taskArnIn(realm, clusterName, name))) ??
    (await instanceOf(tx, instanceArnIn(realm, clusterName, name)));
  if (exact !== undefined) return exact;
  const matches = [
    ...(await tasksBeginning(tx, realm, clusterName, name)),
    ...(await instancesCalled(tx, clusterName, name)),
  ];
  const [first, ...others] = matches;
  if (others.length === 0 || first === undefined) return first;
  throw invalidParameter(
    `${matches.length} things are called ${name}: ${matches.slice(0, 10).map(subjectName).join(', ')}`,
  );
}

async function taskOf(tx: StoreTransaction, arn: string): Promise<WhySubject | undefined> {
  const task = await tx.tasks.get(arn);
  return task && { kind: 'task', task };
}

async function instanceOf(tx: StoreTransaction, arn: string): Promise<WhySubject | undefined> {
  const instance = await tx.containerInstances.get(arn);
  return instance && { kind: 'instance', instance };
}

/** ARNs are ordered, so those that begin alike follow each other. */
async function tasksBeginning(
  tx: StoreTransaction,
  realm: Realm,
  clusterName: string,
  name: string,
): Promise<WhySubject[]> {
  if (!/^[0-9a-f]{2,31}$/.test(name)) return [];
  const prefix = taskArnIn(realm, clusterName, name);
  const { items } = await tx.tasks.list({ clusterName }, { after: prefix, limit: 11 });
  return items.filter(({ taskArn }) => taskArn.startsWith(prefix)).map((task) => ({ kind: 'task', task }));
}

async function instancesCalled(tx: StoreTransaction, clusterName: string, name: string): Promise<WhySubject[]> {
  const instances = await tx.containerInstances.list({ clusterName });
  const isId = /^[0-9a-f]{2,31}$/.test(name);
  return instances
    .filter(
      ({ containerInstanceArn, hostname, machineId }) =>
        hostname === name || machineId === name || (isId && arnId(containerInstanceArn).startsWith(name)),
    )
    .map((instance) => ({ kind: 'instance', instance }));
}

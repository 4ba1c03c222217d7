/**
 * From what a request names (a bare name, a short id or an ARN) to what is stored, with ECS's errors for what is not there. A reference that
 * says another cluster, account or region than the request is not found: it never reaches across.
 */
import {
  arnId,
  clusterArn,
  clusterNameInArn,
  clusterNameOf,
  containerInstanceArn,
  parseArn,
  serviceArn,
  taskArn,
  type Realm,
} from '#model/arn.ts';
import type { Cluster } from '#model/cluster.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Service } from '#model/service.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import {
  clusterInactive,
  clusterNotFound,
  containerInstanceNotFound,
  invalidParameter,
  serviceNotActive,
  serviceNotFound,
} from '#protocol/ecs/errors.ts';
import type { StoreTransaction } from '../store/store.ts';

/** The cluster, whatever its status. */
export async function findCluster(
  tx: StoreTransaction,
  realm: Realm,
  reference?: string,
): Promise<Cluster | undefined> {
  const name = clusterNameOf(reference);
  if (reference?.startsWith('arn:') && reference !== clusterArn(realm, name)) return undefined;
  return tx.clusters.get(name);
}

/** For everything that needs a cluster to work in. Throws ClusterNotFoundException. */
export async function activeCluster(tx: StoreTransaction, realm: Realm, reference?: string): Promise<Cluster> {
  const cluster = await findCluster(tx, realm, reference);
  if (cluster === undefined) throw clusterNotFound();
  if (cluster.status !== 'ACTIVE') throw clusterInactive();
  return cluster;
}

/** The name of a cluster that may be read, ACTIVE or not. Throws ClusterNotFoundException. */
export async function readableClusterName(tx: StoreTransaction, realm: Realm, reference?: string): Promise<string> {
  const cluster = await findCluster(tx, realm, reference);
  if (cluster === undefined) throw clusterNotFound();
  return cluster.clusterName;
}

/** The ARN that a task's id or ARN means in a cluster. ARNs of the short format (`task/<id>`) are taken too. */
export function taskArnIn(realm: Realm, clusterName: string, reference: string): string {
  return memberArn(reference, clusterName, (id) => taskArn(realm, clusterName, id));
}

/** As `taskArnIn`, for container instances. */
export function instanceArnIn(realm: Realm, clusterName: string, reference: string): string {
  return memberArn(reference, clusterName, (id) => containerInstanceArn(realm, clusterName, id));
}

function memberArn(reference: string, clusterName: string, longForm: (id: string) => string): string {
  if (!reference.startsWith('arn:')) return longForm(reference);
  const said = clusterNameInArn(reference);
  return said === undefined || said === clusterName ? longForm(arnId(reference)) : reference;
}

/** Throws InvalidParameterException when the cluster has no such instance, or when it has been deregistered. */
export async function requiredInstance(
  tx: StoreTransaction,
  realm: Realm,
  { clusterName, reference }: { clusterName: string; reference: string },
): Promise<ContainerInstance> {
  const instance = await tx.containerInstances.get(instanceArnIn(realm, clusterName, reference));
  if (instance === undefined || instance.clusterName !== clusterName || instance.status === 'INACTIVE') {
    throw containerInstanceNotFound();
  }
  return instance;
}

/** The name of a service out of a name or an ARN (long or short format); undefined when it is an ARN of another cluster. */
export function serviceNameIn(realm: Realm, clusterName: string, reference: string): string | undefined {
  if (!reference.startsWith('arn:')) return reference;
  const name = arnId(reference);
  const said = clusterNameInArn(reference);
  if (said === undefined) return name;
  return reference === serviceArn(realm, clusterName, name) ? name : undefined;
}

export async function findService(
  tx: StoreTransaction,
  realm: Realm,
  { clusterName, reference }: { clusterName: string; reference: string },
): Promise<Service | undefined> {
  const name = serviceNameIn(realm, clusterName, reference);
  return name === undefined ? undefined : tx.services.get(clusterName, name);
}

/** Throws ServiceNotFoundException, or ServiceNotActiveException while it drains or when it is gone. */
export async function activeService(
  tx: StoreTransaction,
  realm: Realm,
  reference: { clusterName: string; reference: string },
): Promise<Service> {
  const service = await findService(tx, realm, reference);
  if (service === undefined) throw serviceNotFound();
  if (service.status !== 'ACTIVE') throw serviceNotActive();
  return service;
}

export interface DefinitionReference {
  family: string;
  /** Absent: the latest ACTIVE revision. */
  revision?: number;
}

/** `family`, `family:revision` or an ARN with either. Throws InvalidParameterException for anything else. */
export function parseDefinitionReference(realm: Realm, reference: string): DefinitionReference | undefined {
  let text = reference;
  if (reference.startsWith('arn:')) {
    const arn = parseArn(reference);
    if (arn === undefined || arn.service !== 'ecs' || !arn.resource.startsWith('task-definition/')) {
      throw invalidParameter(`Invalid identifier: ${reference}`);
    }
    if (arn.accountId !== realm.accountId || arn.region !== realm.region) return undefined;
    text = arn.resource.slice('task-definition/'.length);
  }
  const match = /^([A-Za-z0-9_-]{1,255})(?::(\d{1,9}))?$/.exec(text);
  if (match === null) throw invalidParameter(`Invalid identifier: ${reference}`);
  const [, family = '', revision] = match;
  return revision === undefined ? { family } : { family, revision: Number(revision) };
}

/** The definition that a reference means, whatever its status when a revision is named. */
export async function findDefinition(
  tx: StoreTransaction,
  realm: Realm,
  reference: string,
): Promise<TaskDefinition | undefined> {
  const parsed = parseDefinitionReference(realm, reference);
  if (parsed === undefined) return undefined;
  const { family, revision } = parsed;
  return revision === undefined ? tx.taskDefinitions.latestActive(family) : tx.taskDefinitions.get(family, revision);
}

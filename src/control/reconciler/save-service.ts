/**
 * Saving a service together with its history: whoever changes a service's deployments saves it here, so that service deployments and revisions are
 * written in the same transaction. Services that others deploy (task sets) have no such history.
 */
import type { Deployment } from '#model/deployment.ts';
import { serviceDeploymentArn, serviceRevisionArn } from '#model/service-deployment.ts';
import type { Service } from '#model/service.ts';
import type { StoreTransaction } from '#control/store/store.ts';
import { serviceDeploymentOf, serviceRevisionOf, withDigests } from '../deployments/service-deployments.ts';
import { definitionByArn } from './service-snapshot.ts';

export interface ServiceChange {
  /** As it was read in this transaction; undefined for a new one. */
  before: Service | undefined;
  after: Service;
  /** Epoch milliseconds. */
  now: number;
}

export async function saveService(tx: StoreTransaction, { before, after, now }: ServiceChange): Promise<void> {
  await tx.services.put(after);
  if (after.deploymentController !== 'ECS') return;
  const listed = new Set(after.deployments.map(({ id }) => id));
  const gone = before?.serviceArn === after.serviceArn ? before.deployments.filter(({ id }) => !listed.has(id)) : [];
  for (const deployment of [...after.deployments, ...gone]) {
    await recordDeployment(tx, after, deployment, now);
    await recordRevision(tx, after, deployment);
  }
}

async function recordDeployment(
  tx: StoreTransaction,
  service: Service,
  deployment: Deployment,
  now: number,
): Promise<void> {
  const existing = await tx.serviceDeployments.get(serviceDeploymentArn(service.serviceArn, deployment.id));
  const row = serviceDeploymentOf(service, deployment, existing, now);
  if (row !== existing) await tx.serviceDeployments.put(row);
}

async function recordRevision(tx: StoreTransaction, service: Service, deployment: Deployment): Promise<void> {
  const existing = await tx.serviceRevisions.get(serviceRevisionArn(service.serviceArn, deployment.id));
  const revision =
    existing === undefined
      ? serviceRevisionOf(service, deployment, await definitionByArn(tx, deployment.taskDefinitionArn))
      : withDigests(existing, deployment.pinnedImages);
  if (revision !== existing) await tx.serviceRevisions.put(revision);
}

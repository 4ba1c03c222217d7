/**
 * ListServiceDeployments, DescribeServiceDeployments, DescribeServiceRevisions, StopServiceDeployment, ContinueServiceDeployment. A stop is noted in the
 * service's row; the reconciler carries it out.
 */
import { arnId, clusterNameInArn, parseArn, type Realm } from '#model/arn.ts';
import type { Deployment, StopRequest } from '#model/deployment.ts';
import type { Failure } from '#model/placement.ts';
import { isFinal, serviceRevisionArn, type ServiceDeployment } from '#model/service-deployment.ts';
import type { Service } from '#model/service.ts';
import { conflict, invalidParameter, serviceDeploymentNotFound, serviceNotFound } from '#protocol/ecs/errors.ts';
import {
  renderServiceDeployment,
  renderServiceDeploymentBrief,
  renderServiceRevision,
  type RevisionCounts,
} from '#protocol/ecs/render-service-deployment.ts';
import { lastCompleted } from '../deployments/circuit-breaker.ts';
import { saveService } from '../reconciler/save-service.ts';
import type { StoreTransaction } from '../store/store.ts';
import type { Handlers } from './handler.ts';
import { findService, readableClusterName } from './lookups.ts';
import { paged } from './paging.ts';

const listPageSize = 20;

export const serviceDeploymentHandlers: Handlers<
  | 'ListServiceDeployments'
  | 'DescribeServiceDeployments'
  | 'DescribeServiceRevisions'
  | 'StopServiceDeployment'
  | 'ContinueServiceDeployment'
> = {
  async ListServiceDeployments({ store, realm }, input) {
    const { status, createdAt = {}, service: reference } = input;
    return store.read(async (tx) => {
      const clusterName = await readableClusterName(tx, realm, input.cluster);
      const service = await findService(tx, realm, { clusterName, reference });
      if (service === undefined) throw serviceNotFound();
      const filter = {
        serviceArn: service.serviceArn,
        ...(status === undefined || status.length === 0 ? {} : { statuses: status }),
        ...(createdAt.after === undefined ? {} : { createdAfter: createdAt.after * 1000 }),
        ...(createdAt.before === undefined ? {} : { createdBefore: createdAt.before * 1000 }),
      };
      const { items, token } = await paged(
        { maxResults: listPageSize, ...input },
        { operation: 'ListServiceDeployments', ...filter },
        (page) => tx.serviceDeployments.list(filter, page),
      );
      return { serviceDeployments: items.map((item) => renderServiceDeploymentBrief(item, realm)), ...token };
    });
  },

  async DescribeServiceDeployments({ store, realm }, { serviceDeploymentArns }) {
    return store.read(async (tx) => {
      const serviceDeployments: object[] = [];
      const failures: Failure[] = [];
      for (const arn of new Set(serviceDeploymentArns)) {
        checkArn(arn, 'service-deployment', realm);
        const deployment = await tx.serviceDeployments.get(arn);
        if (deployment === undefined) failures.push({ arn, reason: 'MISSING' });
        else
          serviceDeployments.push(
            renderServiceDeployment(deployment, { realm, counts: await countsOf(tx, deployment) }),
          );
      }
      return { serviceDeployments, failures };
    });
  },

  async DescribeServiceRevisions({ store, realm }, { serviceRevisionArns }) {
    return store.read(async (tx) => {
      const serviceRevisions: object[] = [];
      const failures: Failure[] = [];
      for (const arn of new Set(serviceRevisionArns)) {
        checkArn(arn, 'service-revision', realm);
        const revision = await tx.serviceRevisions.get(arn);
        if (revision === undefined) failures.push({ arn, reason: 'MISSING' });
        else serviceRevisions.push(renderServiceRevision(revision, realm));
      }
      return { serviceRevisions, failures };
    });
  },

  async StopServiceDeployment({ store, realm, clock }, { serviceDeploymentArn, stopType = 'ROLLBACK' }) {
    await store.write(async (tx) => {
      const row = await existing(tx, realm, serviceDeploymentArn);
      const now = clock.now();
      const { service, deployment } = await underWay(tx, row);
      if (deployment.stopRequest?.type === stopType) return;
      if (deployment.stopRequest !== undefined) throw alreadyAsked(deployment.stopRequest);
      const others = service.deployments.filter(({ id }) => id !== deployment.id);
      if (stopType === 'ROLLBACK' && lastCompleted(others) === undefined) throw nothingToGoBackTo();
      const stopRequest: StopRequest = { type: stopType, requestedAt: now };
      const deployments = service.deployments.map((each) =>
        each === deployment ? { ...deployment, stopRequest, updatedAt: now } : each,
      );
      await saveService(tx, { before: service, after: { ...service, deployments }, now });
    });
    return { serviceDeploymentArn };
  },

  async ContinueServiceDeployment({ store, realm }, { serviceDeploymentArn, hookId }) {
    await store.read((tx) => existing(tx, realm, serviceDeploymentArn));
    throw invalidParameter(
      `The service deployment has no lifecycle hook ${hookId} that awaits an action: rolling deployments have none.`,
    );
  },
};

function checkArn(arn: string, kind: string, realm: Realm): void {
  const parsed = parseArn(arn);
  if (parsed?.service !== 'ecs' || !parsed.resource.startsWith(`${kind}/`) || parsed.resource.split('/').length !== 4) {
    throw invalidParameter(
      `Invalid ARN: ${arn}; expected arn:${realm.partition}:ecs:${realm.region}:${realm.accountId}:${kind}/<cluster>/<service>/<number>.`,
    );
  }
}

async function existing(tx: StoreTransaction, realm: Realm, arn: string): Promise<ServiceDeployment> {
  checkArn(arn, 'service-deployment', realm);
  const row = await tx.serviceDeployments.get(arn);
  if (row === undefined) throw serviceDeploymentNotFound();
  return row;
}

/** The rollout that a service deployment tells of. Throws ConflictException when it is over, or on its way back already. */
async function underWay(
  tx: StoreTransaction,
  { status, clusterName, serviceName, deploymentId }: ServiceDeployment,
): Promise<{ service: Service; deployment: Deployment }> {
  if (isFinal(status)) throw conflict(`The service deployment cannot be stopped, because it is ${status}.`);
  if (status === 'ROLLBACK_IN_PROGRESS') {
    throw conflict('The service deployment cannot be stopped, because it is being rolled back.');
  }
  const service = await tx.services.get(clusterName, serviceName);
  const deployment = service?.deployments.find(({ id }) => id === deploymentId);
  if (service?.status !== 'ACTIVE' || deployment?.status !== 'PRIMARY' || deployment.rolloutState !== 'IN_PROGRESS') {
    throw conflict('The service deployment cannot be stopped, because its service is no longer deployed by it.');
  }
  return { service, deployment };
}

function alreadyAsked({ type }: StopRequest) {
  const asked = type === 'ABORT' ? 'STOP_REQUESTED' : 'ROLLBACK_REQUESTED';
  return conflict(`The service deployment is ${asked} already.`);
}

function nothingToGoBackTo() {
  return conflict(
    'The service deployment cannot be rolled back, because no deployment of the service completed before it. ' +
      'Use the stop type ABORT.',
  );
}

/** Tasks of the revisions that a service deployment names, as they are now. */
async function countsOf(
  tx: StoreTransaction,
  deployment: ServiceDeployment,
): Promise<ReadonlyMap<string, RevisionCounts>> {
  const { serviceArn, sourceRevisionArns, targetRevisionArn, rollback } = deployment;
  const counts = new Map<string, RevisionCounts>();
  const clusterName = clusterNameInArn(serviceArn) ?? '';
  const service = await tx.services.get(clusterName, arnId(serviceArn));
  for (const { id, status } of service?.deployments ?? []) {
    const arn = serviceRevisionArn(serviceArn, id);
    if (![...sourceRevisionArns, targetRevisionArn, rollback?.serviceRevisionArn].includes(arn)) continue;
    const { running, pending } = await tx.tasks.counts({
      clusterName,
      serviceName: deployment.serviceName,
      startedBy: id,
      present: true,
    });
    counts.set(arn, { requested: status === 'PRIMARY' ? (service?.desiredCount ?? 0) : 0, running, pending });
  }
  return counts;
}

/** Finds what somebody asks about, reads what is known of it in one read transaction, and lets the pure code of why/ say why it is so. */
import type { Clock } from '#lib/clock.ts';
import { arnId, type Realm } from '#model/arn.ts';
import type { Cluster } from '#model/cluster.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';
import type { Store, StoreTransaction } from '#control/store/store.ts';
import type { WhyAnswer, WhyPlacement } from '#protocol/why.ts';
import { reportPlacement } from '../scheduler/placement-report.ts';
import { whyInstance } from '../why/why-instance.ts';
import { whyService } from '../why/why-service.ts';
import { whyTask } from '../why/why-task.ts';
import { instancesOfProvider } from './capacity-shares.ts';
import { foreseeService, type ForesightDeps } from './foresee.ts';
import { waitingRequest } from './provisioning.ts';

export interface ExplainerDeps extends ForesightDeps {
  store: Store;
  clock: Clock;
  realm: Realm;
}

export type WhySubject =
  | { kind: 'service'; service: Service }
  | { kind: 'task'; task: Task }
  | { kind: 'instance'; instance: ContainerInstance };

export interface Explainer {
  /** `find` looks the subject up in the transaction in which everything else is read. */
  explain(find: (tx: StoreTransaction) => Promise<{ subject: WhySubject; cluster: Cluster }>): Promise<WhyAnswer>;
}

/** Stopped tasks that are looked through for the last failure of a service, at most. */
const mostStopped = 1000;
const pageSize = 200;

export function createExplainer(deps: ExplainerDeps): Explainer {
  return {
    explain: (find) =>
      deps.store.read(async (tx) => {
        const { subject, cluster } = await find(tx);
        switch (subject.kind) {
          case 'service':
            return explainService(tx, deps, subject.service, cluster);
          case 'task':
            return explainTask(tx, deps, subject.task);
          case 'instance':
            return explainInstance(tx, deps, subject.instance);
        }
      }),
  };
}

async function explainService(
  tx: StoreTransaction,
  deps: ExplainerDeps,
  service: Service,
  cluster: Cluster,
): Promise<WhyAnswer> {
  const now = deps.clock.now();
  const foresight = await foreseeService(tx, deps, { service, cluster, now });
  const lastFailed = hasFailures(service) ? await lastFailedTask(tx, service) : undefined;
  return whyService({ ...foresight, now, ...(lastFailed === undefined ? {} : { lastFailed }) });
}

/** Whether looking for a failed task is worth its while. */
function hasFailures({ deployments }: Service): boolean {
  return deployments.some(
    ({ failedTasks, progress, rolloutState }) =>
      failedTasks > 0 ||
      rolloutState === 'FAILED' ||
      (progress?.quickCrashes ?? 0) + (progress?.healthFailures ?? 0) > 0,
  );
}

/** The newest that ended by itself among the stopped tasks that are looked through. */
async function lastFailedTask(tx: StoreTransaction, { clusterName, serviceName }: Service): Promise<Task | undefined> {
  const filter = { clusterName, serviceName, desiredStatus: 'STOPPED' } as const;
  let last: Task | undefined;
  let after: string | undefined;
  for (let seen = 0; seen < mostStopped; seen += pageSize) {
    const page = await tx.tasks.list(filter, { limit: pageSize, ...(after === undefined ? {} : { after }) });
    for (const task of page.items) {
      const failed = task.stopCode === 'TaskFailedToStart' || task.stopCode === 'EssentialContainerExited';
      if (failed && (last?.stoppedAt ?? -1) < (task.stoppedAt ?? 0)) last = task;
    }
    after = page.next;
    if (after === undefined) break;
  }
  return last;
}

async function explainTask(tx: StoreTransaction, deps: ExplainerDeps, task: Task): Promise<WhyAnswer> {
  const { clusterName, serviceName, containerInstanceArn } = task;
  const service = serviceName === undefined ? undefined : await tx.services.get(clusterName, serviceName);
  const instance =
    containerInstanceArn === undefined ? undefined : await tx.containerInstances.get(containerInstanceArn);
  const placement = containerInstanceArn === undefined ? await placementOf(tx, task) : [];
  return whyTask({ task, instance, service, placement, now: deps.clock.now() });
}

/** Of a task that waits for a place. */
async function placementOf(tx: StoreTransaction, task: Task): Promise<WhyPlacement[]> {
  const { clusterName, capacityProviderName } = task;
  const request = await waitingRequest(tx, task, 1);
  if (request === undefined) return [];
  const providers =
    capacityProviderName === undefined ? [] : await tx.capacityProviders.getMany([capacityProviderName]);
  const all = await tx.containerInstances.list({ clusterName });
  const instances = instancesOfProvider(capacityProviderName, providers, all);
  const report = reportPlacement(request, instances, await tx.tasks.occupying(clusterName));
  return [{ tasks: 1, ...report }];
}

async function explainInstance(
  tx: StoreTransaction,
  deps: ExplainerDeps,
  instance: ContainerInstance,
): Promise<WhyAnswer> {
  const { containerInstanceArn, clusterName } = instance;
  const tasks = await tx.tasks.all({ containerInstanceArn, live: true });
  const services = new Map<string, Service>();
  for (const name of new Set(tasks.flatMap(({ serviceName }) => serviceName ?? []))) {
    const service = await tx.services.get(clusterName, name);
    if (service !== undefined) services.set(name, service);
  }
  return whyInstance({ instance, tasks, services, now: deps.clock.now() });
}

/** The id of what a subject is, for lists of several that fit. */
export function subjectName(subject: WhySubject): string {
  switch (subject.kind) {
    case 'service':
      return `service ${subject.service.serviceName}`;
    case 'task':
      return `task ${arnId(subject.task.taskArn)}`;
    case 'instance':
      return `container instance ${arnId(subject.instance.containerInstanceArn)}`;
  }
}

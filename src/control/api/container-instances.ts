/** ListContainerInstances, DescribeContainerInstances, UpdateContainerInstancesState, DeregisterContainerInstance. */
import { providerOfInstance } from '#model/capacity-provider.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Failure } from '#model/placement.ts';
import type { Service } from '#model/service.ts';
import { isProtected } from '#model/task-protection.ts';
import { remainingResources } from '#model/resources.ts';
import { containerInstanceHasTasks, invalidParameter } from '#protocol/ecs/errors.ts';
import type { InputOf } from '#protocol/ecs/operations.ts';
import { renderContainerInstance } from '#protocol/ecs/render-container-instance.ts';
import { drainProgress } from '../deployments/drain.ts';
import { declareStopped, requestStops } from '../reconciler/stop.ts';
import { candidatesOf, queriedInstance } from '../scheduler/candidate.ts';
import { evaluateQuery } from '../scheduler/query-evaluator.ts';
import { parseQuery } from '../scheduler/query-parser.ts';
import type { OccupyingTask, StoreTransaction } from '../store/store.ts';
import type { HandlerContext, Handlers } from './handler.ts';
import { activeCluster, instanceArnIn, readableClusterName, requiredInstance } from './lookups.ts';
import { paged, pageOf } from './paging.ts';

type Include = NonNullable<InputOf<'DescribeContainerInstances'>['include']>;

export const containerInstanceHandlers: Handlers<
  | 'ListContainerInstances'
  | 'DescribeContainerInstances'
  | 'UpdateContainerInstancesState'
  | 'DeregisterContainerInstance'
> = {
  async ListContainerInstances({ store, realm }, input) {
    const { cluster: reference, filter, status } = input;
    const matching = await store.read(async (tx) => {
      const { clusterName } = await activeCluster(tx, realm, reference);
      const instances = await tx.containerInstances.list({
        clusterName,
        ...(status === undefined ? {} : { statuses: [status] }),
      });
      return filter === undefined || filter === '' ? instances : matchingQuery(tx, { clusterName, instances, filter });
    });
    const filters = { operation: 'ListContainerInstances', cluster: reference, filter, status };
    const { items, token } = await paged(input, filters, async (page) =>
      pageOf(matching, (instance) => instance.containerInstanceArn, page),
    );
    return { containerInstanceArns: items.map((instance) => instance.containerInstanceArn), ...token };
  },

  async DescribeContainerInstances(context, { cluster: reference, containerInstances, include = [] }) {
    const { store, realm } = context;
    return store.read(async (tx) => {
      const clusterName = await readableClusterName(tx, realm, reference);
      const { found, failures } = await findInstances(tx, { realm, clusterName, references: containerInstances });
      return { containerInstances: await shown(tx, context, clusterName, found, include), failures };
    });
  },

  async UpdateContainerInstancesState(context, { cluster: reference, containerInstances, status }) {
    const { store, realm } = context;
    if (status !== 'ACTIVE' && status !== 'DRAINING') throw invalidParameter('status: expected ACTIVE or DRAINING');
    return store.write(async (tx) => {
      const { clusterName } = await activeCluster(tx, realm, reference);
      const { found, failures } = await findInstances(tx, { realm, clusterName, references: containerInstances });
      const updated: ContainerInstance[] = [];
      for (const instance of found) {
        if (instance.status === 'INACTIVE') failures.push({ arn: instance.containerInstanceArn, reason: 'INACTIVE' });
        else updated.push(await withStatus(tx, context, instance, status));
      }
      return { containerInstances: await shown(tx, context, clusterName, updated, []), failures };
    });
  },

  async DeregisterContainerInstance(context, { cluster: reference, containerInstance, force = false }) {
    const { store, realm, clock } = context;
    return store.write(async (tx) => {
      const { clusterName } = await activeCluster(tx, realm, reference);
      const instance = await requiredInstance(tx, realm, { clusterName, reference: containerInstance });
      const tasks = await tx.tasks.all({ containerInstanceArn: instance.containerInstanceArn, live: true });
      if (tasks.length > 0 && !force) throw containerInstanceHasTasks();
      await tx.containerInstances.put({
        ...instance,
        status: 'INACTIVE',
        deregisteredAt: clock.now(),
        version: instance.version + 1,
      });
      // Their containers may go on, but nobody here counts on them any more: services replace them at once.
      await declareStopped(tx, context, tasks, {
        stopCode: 'UserInitiated',
        reason: 'Container instance deregistration forced by user',
      });
      const deregistered = (await tx.containerInstances.get(instance.containerInstanceArn)) ?? instance;
      const [rendered] = await shown(tx, context, clusterName, [deregistered], []);
      return { containerInstance: rendered };
    });
  },
};

async function matchingQuery(
  tx: StoreTransaction,
  { clusterName, instances, filter }: { clusterName: string; instances: ContainerInstance[]; filter: string },
): Promise<ContainerInstance[]> {
  const parsed = parseQuery(filter);
  if (!parsed.ok) {
    throw invalidParameter(`Invalid filter expression at character ${parsed.position}: ${parsed.message}.`);
  }
  const candidates = candidatesOf(instances, await tx.tasks.occupying(clusterName));
  return candidates
    .filter((candidate) => evaluateQuery(parsed.query, queriedInstance(candidate)))
    .map((candidate) => candidate.instance);
}

async function findInstances(
  tx: StoreTransaction,
  {
    realm,
    clusterName,
    references,
  }: Pick<HandlerContext, 'realm'> & { clusterName: string; references: readonly string[] },
): Promise<{ found: ContainerInstance[]; failures: Failure[] }> {
  const found: ContainerInstance[] = [];
  const failures: Failure[] = [];
  for (const arn of new Set(references.map((reference) => instanceArnIn(realm, clusterName, reference)))) {
    const instance = await tx.containerInstances.get(arn);
    if (instance?.clusterName === clusterName) found.push(instance);
    else failures.push({ arn, reason: 'MISSING' });
  }
  return { found, failures };
}

/**
 * A DRAINING instance gives up what has not started yet at once; what runs is replaced by the services, and what becomes of other tasks its tags
 * say (deployments/drain.ts).
 */
async function withStatus(
  tx: StoreTransaction,
  context: HandlerContext,
  instance: ContainerInstance,
  status: 'ACTIVE' | 'DRAINING',
): Promise<ContainerInstance> {
  if (instance.status === status) return instance;
  const { drainingSince: _, ...settled } = instance;
  const now = context.clock.now();
  const dated = status === 'DRAINING' ? { drainingSince: now } : {};
  await tx.containerInstances.put({ ...settled, ...dated, status, version: instance.version + 1 });
  if (status === 'DRAINING') {
    const live = await tx.tasks.all({ containerInstanceArn: instance.containerInstanceArn, live: true });
    const starting = live.filter(
      (task) => task.serviceName !== undefined && task.lastStatus === 'PENDING' && !isProtected(task, now),
    );
    await requestStops(tx, context, starting, {
      stopCode: 'ServiceSchedulerInitiated',
      reason: `Container instance ${instance.containerInstanceArn} is draining`,
    });
  }
  return (await tx.containerInstances.get(instance.containerInstanceArn)) ?? instance;
}

/** As answers have them. */
export async function shown(
  tx: StoreTransaction,
  { clock }: Pick<HandlerContext, 'clock'>,
  clusterName: string,
  instances: readonly ContainerInstance[],
  include: Include,
): Promise<object[]> {
  const places = instances.length === 0 ? [] : await tx.containerInstances.occupied(clusterName);
  const byInstance = new Map(places.map(({ instance, tasks }) => [instance.containerInstanceArn, tasks]));
  const drains = await drainsOf(tx, clusterName, instances, clock.now());
  const cluster = await tx.clusters.get(clusterName);
  const providers = await tx.capacityProviders.getMany(cluster?.capacityProviders ?? []);
  return instances.map((instance) => {
    const tasks = byInstance.get(instance.containerInstanceArn) ?? [];
    return renderContainerInstance(instance, {
      remaining: remainingResources(instance.resources, tasks),
      runningTasks: tasks.filter((task) => task.lastStatus === 'RUNNING').length,
      pendingTasks: tasks.filter(isPending).length,
      statusReason: drains.get(instance.containerInstanceArn),
      capacityProviderName: providerOfInstance(instance, providers)?.name,
      include,
    });
  });
}

/** How far each DRAINING one of the instances is, and what holds it up. */
async function drainsOf(
  tx: StoreTransaction,
  clusterName: string,
  instances: readonly ContainerInstance[],
  now: number,
): Promise<Map<string, string>> {
  const progress = new Map<string, string>();
  const draining = instances.filter(({ status }) => status === 'DRAINING');
  if (draining.length === 0) return progress;
  const active = await tx.containerInstances.list({ clusterName, statuses: ['ACTIVE'] });
  const othersEligible = active.some(({ agentConnected }) => agentConnected);
  for (const instance of draining) {
    const { containerInstanceArn } = instance;
    const tasks = await tx.tasks.all({ containerInstanceArn, live: true });
    const services = new Map<string, Service>();
    for (const name of new Set(tasks.flatMap(({ serviceName }) => serviceName ?? []))) {
      const service = await tx.services.get(clusterName, name);
      if (service !== undefined) services.set(name, service);
    }
    progress.set(containerInstanceArn, drainProgress({ instance, tasks, services, othersEligible }, now));
  }
  return progress;
}

function isPending(task: OccupyingTask): boolean {
  return task.lastStatus === 'PROVISIONING' || task.lastStatus === 'PENDING' || task.lastStatus === 'ACTIVATING';
}

/** CreateCluster, DescribeClusters, ListClusters, UpdateCluster, UpdateClusterSettings, DeleteCluster. */
import { clusterArn, clusterNameOf, defaultClusterName, type Realm } from '#model/arn.ts';
import { isFargateProvider } from '#model/capacity-provider.ts';
import type { Cluster, ClusterSetting } from '#model/cluster.ts';
import type { Service } from '#model/service.ts';
import {
  clusterContainsCapacityProviders,
  clusterContainsContainerInstances,
  clusterContainsServices,
  clusterContainsTasks,
  invalidParameter,
} from '#protocol/ecs/errors.ts';
import type { InputOf } from '#protocol/ecs/operations.ts';
import {
  type ClusterCounts,
  type ClusterField,
  type LaunchTypeCounts,
  renderCluster,
} from '#protocol/ecs/render-cluster.ts';
import type { StoreTransaction } from '../store/store.ts';
import { checkedCapacity } from './capacity-checks.ts';
import { effectiveSetting } from './account-settings.ts';
import type { HandlerContext, Handlers } from './handler.ts';
import { activeCluster, findCluster } from './lookups.ts';
import { everyPage, paged } from './paging.ts';

export const clusterHandlers: Handlers<
  'CreateCluster' | 'DescribeClusters' | 'ListClusters' | 'UpdateCluster' | 'UpdateClusterSettings' | 'DeleteCluster'
> = {
  async CreateCluster(context, input) {
    return context.store.write(async (tx) => {
      const name = input.clusterName ?? defaultClusterName;
      const existing = await tx.clusters.get(name);
      const cluster = existing?.status === 'ACTIVE' ? existing : await newCluster(tx, context, input);
      if (cluster !== existing) await tx.clusters.put(cluster);
      return { cluster: await shownCluster(tx, cluster, ['SETTINGS', 'CONFIGURATIONS', 'TAGS']) };
    });
  },

  async DescribeClusters({ store, realm }, { clusters: references = [defaultClusterName], include = [] }) {
    return store.read(async (tx) => {
      const clusters: object[] = [];
      const failures: object[] = [];
      for (const reference of new Set(references)) {
        const cluster = await findCluster(tx, realm, reference);
        if (cluster === undefined) failures.push({ arn: arnOf(realm, reference), reason: 'MISSING' });
        else clusters.push(await shownCluster(tx, cluster, include));
      }
      return { clusters, failures };
    });
  },

  async ListClusters({ store }, input) {
    const { items, token } = await paged(input, 'ListClusters', (page) =>
      store.read((tx) => tx.clusters.list({ status: 'ACTIVE' }, page)),
    );
    return { clusterArns: items.map((cluster) => cluster.clusterArn), ...token };
  },

  async UpdateCluster(context, { cluster: reference, settings, configuration, serviceConnectDefaults }) {
    return update(context, reference, (cluster) => ({
      ...cluster,
      settings: settings === undefined ? cluster.settings : mergedSettings(cluster.settings, settings),
      ...(configuration === undefined ? {} : { configuration: { ...cluster.configuration, ...configuration } }),
      ...(serviceConnectDefaults === undefined ? {} : { serviceConnectDefaults }),
    }));
  },

  async UpdateClusterSettings(context, { cluster: reference, settings }) {
    return update(context, reference, (cluster) => ({
      ...cluster,
      settings: mergedSettings(cluster.settings, settings),
    }));
  },

  async DeleteCluster({ store, realm, clock }, { cluster: reference }) {
    return store.write(async (tx) => {
      const cluster = await activeCluster(tx, realm, reference);
      await refuseUnlessEmpty(tx, cluster);
      const deleted: Cluster = { ...cluster, status: 'INACTIVE', deletedAt: clock.now() };
      await tx.clusters.put(deleted);
      return { cluster: await shownCluster(tx, deleted, ['SETTINGS']) };
    });
  },
};

/** Makes sure that the cluster which every request means that names none is there. */
export async function ensureDefaultCluster(
  { store, realm, clock }: Pick<HandlerContext, 'store' | 'realm' | 'clock'>,
  principalArn: string,
): Promise<void> {
  const principal = { arn: principalArn, accessKeyId: '' };
  await store.write(async (tx) => {
    if ((await tx.clusters.get(defaultClusterName)) !== undefined) return;
    await tx.clusters.put(await newCluster(tx, { realm, clock, principal }, {}));
  });
}

async function newCluster(
  tx: StoreTransaction,
  { realm, clock, principal }: Pick<HandlerContext, 'realm' | 'clock' | 'principal'>,
  input: InputOf<'CreateCluster'>,
): Promise<Cluster> {
  const clusterName = input.clusterName ?? defaultClusterName;
  const insights = await effectiveSetting(tx, principal.arn, 'containerInsights');
  return {
    clusterArn: clusterArn(realm, clusterName),
    clusterName,
    status: 'ACTIVE',
    settings: mergedSettings([{ name: 'containerInsights', value: insights }], input.settings ?? []),
    ...(input.configuration === undefined ? {} : { configuration: input.configuration }),
    ...(input.serviceConnectDefaults === undefined ? {} : { serviceConnectDefaults: input.serviceConnectDefaults }),
    ...(await checkedCapacity(tx, realm, {
      capacityProviders: input.capacityProviders ?? [],
      defaultCapacityProviderStrategy: input.defaultCapacityProviderStrategy ?? [],
    })),
    tags: input.tags ?? [],
    createdAt: clock.now(),
  };
}

async function update(
  { store, realm }: HandlerContext,
  reference: string,
  change: (cluster: Cluster) => Cluster,
): Promise<object> {
  return store.write(async (tx) => {
    const cluster = change(await activeCluster(tx, realm, reference));
    await tx.clusters.put(cluster);
    return { cluster: await shownCluster(tx, cluster, ['SETTINGS', 'CONFIGURATIONS', 'TAGS']) };
  });
}

const containerInsightsValues: readonly string[] = ['enabled', 'disabled', 'enhanced'];

function mergedSettings(
  before: readonly ClusterSetting[],
  changes: readonly { name?: string; value?: string }[],
): ClusterSetting[] {
  const byName = new Map(before.map((setting) => [setting.name, setting]));
  for (const { name = 'containerInsights', value } of changes) {
    if (value === undefined || !containerInsightsValues.includes(value)) {
      throw invalidParameter(
        `Invalid value for setting ${name}: expected one of ${containerInsightsValues.join(', ')}.`,
      );
    }
    byName.set(name, { name, value });
  }
  return [...byName.values()];
}

/** In the order in which ECS looks. */
async function refuseUnlessEmpty(tx: StoreTransaction, { clusterName, capacityProviders }: Cluster): Promise<void> {
  if ((await tx.containerInstances.list({ clusterName })).length > 0) throw clusterContainsContainerInstances();
  const services = await tx.services.list({ clusterName, statuses: ['ACTIVE', 'DRAINING'] }, { limit: 1 });
  if (services.items.length > 0) throw clusterContainsServices();
  const { running, pending } = await tx.tasks.counts({ clusterName });
  if (running + pending > 0) throw clusterContainsTasks();
  if (!capacityProviders.every(isFargateProvider)) throw clusterContainsCapacityProviders();
}

/** As answers show it. */
export async function shownCluster(
  tx: StoreTransaction,
  cluster: Cluster,
  include: readonly ClusterField[],
): Promise<object> {
  return renderCluster(cluster, { counts: await countsOf(tx, cluster.clusterName), include });
}

async function countsOf(tx: StoreTransaction, clusterName: string): Promise<ClusterCounts> {
  const instances = await tx.containerInstances.list({ clusterName, statuses: ['ACTIVE', 'DRAINING'] });
  const services = await everyPage((page) => tx.services.list({ clusterName, statuses: ['ACTIVE', 'DRAINING'] }, page));
  const ofType = async (launchType: Service['launchType']): Promise<LaunchTypeCounts> => {
    const { running, pending } = await tx.tasks.counts({ clusterName, launchType });
    const statuses = services.filter((service) => service.launchType === launchType).map((service) => service.status);
    const activeServices = statuses.filter((status) => status === 'ACTIVE').length;
    return {
      runningTasks: running,
      pendingTasks: pending,
      activeServices,
      drainingServices: statuses.length - activeServices,
    };
  };
  return {
    registeredContainerInstances: instances.length,
    byLaunchType: { EC2: await ofType('EC2'), FARGATE: await ofType('FARGATE'), EXTERNAL: await ofType('EXTERNAL') },
  };
}

function arnOf(realm: Realm, reference: string): string {
  return reference.startsWith('arn:') ? reference : clusterArn(realm, clusterNameOf(reference));
}

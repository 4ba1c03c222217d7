/** Clusters, container instances, services, and the small tables. */
import { describe, expect, it } from 'vitest';
import type { ContainerInstanceTable, IdempotencyRecord, Page, Store } from '#control/store/store.ts';
import { aCapacityProvider } from '#test/support/builders/a-capacity-provider.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aService } from '#test/support/builders/a-service.ts';
import type { Cluster } from '#model/cluster.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Service } from '#model/service.ts';
import { storeKinds, useStores } from './store-kinds.ts';

type InstanceFilter = Parameters<ContainerInstanceTable['list']>[0];

describe.each(storeKinds)('$name', (kind) => {
  const stores = useStores(kind);

  describe('clusters', () => {
    function putting(store: Store, clusters: readonly Cluster[]): Promise<void> {
      return store.write(async (tx) => {
        for (const cluster of clusters) await tx.clusters.put(cluster);
      });
    }

    it('come back as they were put last', async () => {
      const store = await stores.empty();
      const cluster = aCluster({
        configuration: { nested: { deep: [1, null, 'x'] } },
        tags: [{ key: 'a', value: 'b' }],
      });
      await putting(store, [aCluster(), cluster]);
      expect(await store.read((tx) => tx.clusters.get('default'))).toEqual(cluster);
      expect(await store.read((tx) => tx.clusters.get('Default'))).toBeUndefined();
    });

    it('are listed by name, byte by byte, in pages', async () => {
      const store = await stores.empty();
      const names = ['b', 'B', 'a-1', 'a', 'a_1', 'a1'];
      await putting(
        store,
        names.map((clusterName) => aCluster({ clusterName })),
      );
      const seen: string[] = [];
      let page: Page<Cluster> | undefined;
      do {
        const after = page?.next;
        page = await store.read((tx) => tx.clusters.list({}, { limit: 2, ...(after === undefined ? {} : { after }) }));
        seen.push(...page.items.map((cluster) => cluster.clusterName));
      } while (page.next !== undefined);
      expect(seen).toEqual(['B', 'a', 'a-1', 'a1', 'a_1', 'b']);
    });

    it('are filtered by status', async () => {
      const store = await stores.empty();
      await putting(store, [aCluster(), aCluster({ clusterName: 'gone', status: 'INACTIVE' })]);
      const { items } = await store.read((tx) => tx.clusters.list({ status: 'INACTIVE' }, { limit: 10 }));
      expect(items.map((cluster) => cluster.clusterName)).toEqual(['gone']);
    });

    it('refuse a page without room', async () => {
      const store = await stores.empty();
      await expect(store.read((tx) => tx.clusters.list({}, { limit: 0 }))).rejects.toThrow(RangeError);
    });
  });

  describe('capacity providers', () => {
    it('come back as they were put last, by name and in pages, until they are deleted', async () => {
      const store = await stores.empty();
      const [blue, green] = [aCapacityProvider({ name: 'blue' }), aCapacityProvider({ name: 'green' })];
      const tagged = { ...blue, tags: [{ key: 'a', value: 'b' }] };
      await store.write(async (tx) => {
        for (const provider of [green, blue, tagged]) await tx.capacityProviders.put(provider);
      });
      expect(await store.read((tx) => tx.capacityProviders.get('blue'))).toEqual(tagged);
      expect(await store.read((tx) => tx.capacityProviders.get('Blue'))).toBeUndefined();
      expect(await store.read((tx) => tx.capacityProviders.getMany(['green', 'nothing', 'blue']))).toEqual([
        tagged,
        green,
      ]);
      expect(await store.read((tx) => tx.capacityProviders.getMany([]))).toEqual([]);
      const first = await store.read((tx) => tx.capacityProviders.list({ limit: 1 }));
      expect(first).toEqual({ items: [tagged], next: 'blue' });
      expect(await store.read((tx) => tx.capacityProviders.list({ limit: 1, after: 'blue' }))).toEqual({
        items: [green],
      });
      await store.write((tx) => tx.capacityProviders.delete('blue'));
      expect(await store.read((tx) => tx.capacityProviders.get('blue'))).toBeUndefined();
    });
  });

  describe('container instances', () => {
    const web = aContainerInstance({ machineId: 'm-1' });
    const draining = aContainerInstance({ status: 'DRAINING' });
    const gone = aContainerInstance({ machineId: 'm-1', status: 'INACTIVE' });
    const elsewhere = aContainerInstance({ machineId: 'm-1', clusterName: 'other' });

    function putting(store: Store, instances: readonly ContainerInstance[]): Promise<void> {
      return store.write(async (tx) => {
        for (const instance of instances) await tx.containerInstances.put(instance);
      });
    }

    it('come back as they were put', async () => {
      const store = await stores.empty();
      await putting(store, [web]);
      expect(await store.read((tx) => tx.containerInstances.get(web.containerInstanceArn))).toEqual(web);
      expect(await store.read((tx) => tx.containerInstances.get('arn:nothing'))).toBeUndefined();
    });

    it('tell how far their lines are, whether these alone were moved or the instance was put', async () => {
      const store = await stores.empty();
      await putting(store, [web, draining]);
      const moved = { ...web, assignmentNumber: web.assignmentNumber + 3 };
      await store.write((tx) => tx.containerInstances.moveLines([moved]));
      expect(await store.read((tx) => tx.containerInstances.get(web.containerInstanceArn))).toEqual(moved);
      expect(await store.read((tx) => tx.containerInstances.byMachine('default', 'm-1'))).toEqual(moved);
      const further = { ...moved, status: 'DRAINING' as const, assignmentNumber: moved.assignmentNumber + 1 };
      await putting(store, [further]);
      expect(await store.read((tx) => tx.containerInstances.list({}))).toEqual([further, draining]);
    });

    it('are listed by ARN, INACTIVE ones only when they are asked for', async () => {
      const store = await stores.empty();
      await putting(store, [elsewhere, gone, draining, web]);
      const list = (filter: InstanceFilter): Promise<ContainerInstance[]> =>
        store.read((tx) => tx.containerInstances.list(filter));
      expect(await list({})).toEqual([web, draining, elsewhere]);
      expect(await list({ clusterName: 'default' })).toEqual([web, draining]);
      expect(await list({ clusterName: 'default', statuses: ['INACTIVE', 'DRAINING'] })).toEqual([draining, gone]);
      expect(await list({ statuses: [] })).toEqual([]);
    });

    it('are found by their machine while they are registered', async () => {
      const store = await stores.empty();
      await putting(store, [gone, web, elsewhere]);
      expect(await store.read((tx) => tx.containerInstances.byMachine('default', 'm-1'))).toEqual(web);
      await putting(store, [{ ...web, status: 'INACTIVE' }]);
      expect(await store.read((tx) => tx.containerInstances.byMachine('default', 'm-1'))).toBeUndefined();
    });

    it('cannot be registered twice for one machine', async () => {
      const store = await stores.empty();
      await putting(store, [web]);
      await expect(putting(store, [aContainerInstance({ machineId: 'm-1' })])).rejects.toThrow(/unique/i);
      expect(await store.read((tx) => tx.containerInstances.list({}))).toEqual([web]);
    });
  });

  describe('services', () => {
    const web = aService({ serviceName: 'web' });
    const agents = aService({ serviceName: 'agents', schedulingStrategy: 'DAEMON', launchType: 'EXTERNAL' });
    const gone = aService({ serviceName: 'gone', status: 'INACTIVE' });
    const elsewhere = aService({ serviceName: 'web', clusterName: 'other' });

    async function listing(store: Store): Promise<(filter: object) => Promise<Service[]>> {
      await store.write(async (tx) => {
        for (const service of [web, agents, gone, elsewhere]) await tx.services.put(service);
      });
      return async (filter) => (await store.read((tx) => tx.services.list(filter, { limit: 10 }))).items;
    }

    it('are known by cluster and name', async () => {
      const store = await stores.empty();
      await listing(store);
      expect(await store.read((tx) => tx.services.get('default', 'web'))).toEqual(web);
      expect(await store.read((tx) => tx.services.get('other', 'web'))).toEqual(elsewhere);
      expect(await store.read((tx) => tx.services.get('other', 'agents'))).toBeUndefined();
    });

    it('are listed by ARN through every filter', async () => {
      const list = await listing(await stores.empty());
      expect(await list({})).toEqual([agents, gone, web, elsewhere]);
      expect(await list({ clusterName: 'other' })).toEqual([elsewhere]);
      expect(await list({ statuses: ['ACTIVE', 'DRAINING'], clusterName: 'default' })).toEqual([agents, web]);
      expect(await list({ launchType: 'EXTERNAL' })).toEqual([agents]);
      expect(await list({ schedulingStrategy: 'REPLICA', statuses: ['ACTIVE'] })).toEqual([web, elsewhere]);
    });

    it('are listed in pages', async () => {
      const store = await stores.empty();
      await listing(store);
      const first = await store.read((tx) => tx.services.list({}, { limit: 3 }));
      expect(first).toEqual({ items: [agents, gone, web], next: web.serviceArn });
      expect(await store.read((tx) => tx.services.list({}, { limit: 3, after: web.serviceArn }))).toEqual({
        items: [elsewhere],
      });
    });

    it('are deleted by cluster and name', async () => {
      const store = await stores.empty();
      const list = await listing(store);
      await store.write((tx) => tx.services.delete('default', 'web'));
      expect(await list({})).toEqual([agents, gone, elsewhere]);
    });
  });

  it('remembers what idempotent requests answered until they expire', async () => {
    const store = await stores.empty();
    const record = (clientToken: string, expiresAt: number): IdempotencyRecord => ({
      scope: 'RunTask default',
      clientToken,
      requestHash: 'hash',
      resources: ['arn:1', 'arn:2'],
      createdAt: 1,
      expiresAt,
    });
    await store.write(async (tx) => {
      for (const [token, expiresAt] of [
        ['a', 10],
        ['b', 20],
        ['c', 30],
      ] as const) {
        await tx.idempotency.put(record(token, expiresAt));
      }
    });
    expect(await store.read((tx) => tx.idempotency.get('RunTask default', 'a'))).toEqual(record('a', 10));
    expect(await store.read((tx) => tx.idempotency.get('RunTask other', 'a'))).toBeUndefined();
    expect(await store.write((tx) => tx.idempotency.deleteExpired(20))).toBe(2);
    expect(await store.read((tx) => tx.idempotency.get('RunTask default', 'b'))).toBeUndefined();
    expect(await store.read((tx) => tx.idempotency.get('RunTask default', 'c'))).toEqual(record('c', 30));
  });

  it('keeps account settings by principal and name', async () => {
    const store = await stores.empty();
    await store.write(async (tx) => {
      await tx.accountSettings.put({ principalArn: 'arn:me', name: 'containerInsights', value: 'enabled' });
      await tx.accountSettings.put({ principalArn: '*', name: 'containerInsights', value: 'disabled' });
      await tx.accountSettings.put({ principalArn: '*', name: 'containerInsights', value: 'enhanced' });
      await tx.accountSettings.put({ principalArn: '*', name: 'awsvpcTrunking', value: 'enabled' });
    });
    await store.write((tx) => tx.accountSettings.delete('*', 'awsvpcTrunking'));
    expect(await store.read((tx) => tx.accountSettings.list())).toEqual([
      { principalArn: '*', name: 'containerInsights', value: 'enhanced' },
      { principalArn: 'arn:me', name: 'containerInsights', value: 'enabled' },
    ]);
  });

  it('keeps access keys', async () => {
    const store = await stores.empty();
    const key = {
      accessKeyId: 'AKIA1',
      secretAccessKey: 'secret',
      principalArn: 'arn:me',
      createdAt: 1_767_225_600_000,
    };
    await store.write((tx) => tx.accessKeys.put(key));
    expect(await store.read((tx) => tx.accessKeys.get('AKIA1'))).toEqual(key);
    expect(await store.read((tx) => tx.accessKeys.get('akia1'))).toBeUndefined();
    expect(await store.read((tx) => tx.accessKeys.list())).toEqual([key]);
  });
});

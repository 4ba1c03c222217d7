/** The history of services. */
import { describe, expect, it } from 'vitest';
import type { ServiceDeploymentFilter, Store } from '#control/store/store.ts';
import { defaultRealm, serviceArn } from '#model/arn.ts';
import type { ServiceDeployment } from '#model/service-deployment.ts';
import { aServiceDeployment, aServiceRevision } from '#test/support/builders/a-service-deployment.ts';
import { storeKinds, useStores } from './store-kinds.ts';

const web = serviceArn(defaultRealm, 'default', 'web');
const other = serviceArn(defaultRealm, 'default', 'other');

const numbered = (digit: number): string => `ecs-svc/${String(digit).repeat(19)}`;
const [first, second, twin, newest] = [
  aServiceDeployment({ deploymentId: numbered(4), createdAt: 100, status: 'SUCCESSFUL' }),
  aServiceDeployment({ deploymentId: numbered(1), createdAt: 200, status: 'STOPPED' }),
  aServiceDeployment({ deploymentId: numbered(2), createdAt: 200, status: 'ROLLBACK_SUCCESSFUL' }),
  aServiceDeployment({ deploymentId: numbered(3), createdAt: 300 }),
] as const;
const foreign = aServiceDeployment({ deploymentId: numbered(9), createdAt: 250, serviceArn: other });

function putting(store: Store, deployments: readonly ServiceDeployment[]): Promise<void> {
  return store.write(async (tx) => {
    for (const deployment of deployments) await tx.serviceDeployments.put(deployment);
  });
}

describe.each(storeKinds)('$name', (kind) => {
  const stores = useStores(kind);

  describe('service deployments', () => {
    async function filled(): Promise<Store> {
      const store = await stores.empty();
      await putting(store, [first, newest, foreign, twin, second]);
      return store;
    }

    it('come back as they were put last', async () => {
      const store = await filled();
      const ended: ServiceDeployment = { ...newest, status: 'SUCCESSFUL', finishedAt: 400 };
      await putting(store, [ended]);
      expect(await store.read((tx) => tx.serviceDeployments.get(newest.serviceDeploymentArn))).toEqual(ended);
      expect(await store.read((tx) => tx.serviceDeployments.get(`${newest.serviceDeploymentArn}0`))).toBeUndefined();
    });

    it('of a service are listed newest first, in pages', async () => {
      const store = await filled();
      const seen: ServiceDeployment[] = [];
      let after: string | undefined;
      do {
        const page = after === undefined ? { limit: 1 } : { limit: 1, after };
        const { items, next } = await store.read((tx) => tx.serviceDeployments.list({ serviceArn: web }, page));
        seen.push(...items);
        after = next;
      } while (after !== undefined);
      expect(seen).toEqual([newest, twin, second, first]);
    });

    it('are filtered by status and time of creation, both ends excluded', async () => {
      const store = await filled();
      const list = async (filter: Omit<ServiceDeploymentFilter, 'serviceArn'>) =>
        (await store.read((tx) => tx.serviceDeployments.list({ serviceArn: web, ...filter }, { limit: 10 }))).items;
      expect(await list({ statuses: ['IN_PROGRESS', 'SUCCESSFUL'] })).toEqual([newest, first]);
      expect(await list({ createdAfter: 200 })).toEqual([newest]);
      expect(await list({ createdAfter: 100, createdBefore: 300 })).toEqual([twin, second]);
    });

    it('tell which services have many, and go one by one or with their service', async () => {
      const store = await filled();
      expect(await store.read((tx) => tx.serviceDeployments.servicesWithMoreThan(3))).toEqual([web]);
      expect(await store.read((tx) => tx.serviceDeployments.servicesWithMoreThan(4))).toEqual([]);
      await store.write((tx) => tx.serviceDeployments.delete([first, second].map((each) => each.serviceDeploymentArn)));
      const left = () => store.read((tx) => tx.serviceDeployments.list({ serviceArn: web }, { limit: 10 }));
      expect((await left()).items).toEqual([newest, twin]);
      await store.write((tx) => tx.serviceDeployments.deleteOfService(web));
      expect((await left()).items).toEqual([]);
      expect(await store.read((tx) => tx.serviceDeployments.get(foreign.serviceDeploymentArn))).toEqual(foreign);
    });

    it('tell of nothing when a transaction is rolled back', async () => {
      const store = await stores.empty();
      const failing = store.write(async (tx) => {
        await tx.serviceDeployments.put(first);
        await tx.serviceRevisions.put(aServiceRevision({ deploymentId: first.deploymentId }));
        throw new Error('no');
      });
      await expect(failing).rejects.toThrow('no');
      expect(await store.read((tx) => tx.serviceDeployments.get(first.serviceDeploymentArn))).toBeUndefined();
      expect(await store.read((tx) => tx.serviceRevisions.get(first.targetRevisionArn))).toBeUndefined();
    });
  });

  describe('service revisions', () => {
    const old = aServiceRevision({ createdAt: 100, kept: { loadBalancers: [] } });
    const young = aServiceRevision({ createdAt: 200 });
    const elsewhere = aServiceRevision({ createdAt: 150, serviceArn: other });

    it('come back as they were put last, newest first, and go one by one or with their service', async () => {
      const store = await stores.empty();
      const digested = {
        ...young,
        containerImages: [{ containerName: 'main', image: 'busybox', imageDigest: `sha256:${'0'.repeat(64)}` }],
      };
      await store.write(async (tx) => {
        for (const revision of [old, elsewhere, young, digested]) await tx.serviceRevisions.put(revision);
      });
      expect(await store.read((tx) => tx.serviceRevisions.get(old.serviceRevisionArn))).toEqual(old);
      expect(await store.read((tx) => tx.serviceRevisions.all(web))).toEqual([digested, old]);
      await store.write((tx) => tx.serviceRevisions.delete([old.serviceRevisionArn]));
      expect(await store.read((tx) => tx.serviceRevisions.all(web))).toEqual([digested]);
      await store.write((tx) => tx.serviceRevisions.deleteOfService(web));
      expect(await store.read((tx) => tx.serviceRevisions.all(web))).toEqual([]);
      expect(await store.read((tx) => tx.serviceRevisions.all(other))).toEqual([elsewhere]);
    });
  });
});

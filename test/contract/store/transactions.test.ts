/** Transactions: all or nothing, one moment per read, no lost update, and changes that are announced once they are true. */
import { describe, expect, it } from 'vitest';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { ChangeSet, Store } from '#control/store/store.ts';
import type { Logger } from '#lib/logger.ts';
import { silentLogger } from '#lib/logger.ts';
import { aCluster } from '#test/support/builders/a-cluster.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTaskDefinition } from '#test/support/builders/a-task-definition.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { durableStoreKinds, storeKinds, useStores } from './store-kinds.ts';

async function clusterNames(store: Store): Promise<string[]> {
  const { items } = await store.read((tx) => tx.clusters.list({}, { limit: 1000 }));
  return items.map((cluster) => cluster.clusterName);
}

/** What was announced, each change set without its empty parts. */
function listeningTo(store: Store): Record<string, string[]>[] {
  const heard: Record<string, string[]>[] = [];
  store.subscribe((changes) => heard.push(told(changes)));
  return heard;
}

function told(changes: ChangeSet): Record<string, string[]> {
  const parts = Object.entries(changes) as [string, ReadonlySet<string>][];
  return Object.fromEntries(parts.filter(([, keys]) => keys.size > 0).map(([part, keys]) => [part, [...keys]]));
}

describe.each(storeKinds)('transactions in $name', (kind) => {
  const stores = useStores(kind);

  it('answer what their work answers', async () => {
    const store = await stores.empty();
    expect(await store.write(() => Promise.resolve('written'))).toBe('written');
    expect(await store.read(() => Promise.resolve('read'))).toBe('read');
  });

  it('see what they put themselves', async () => {
    const store = await stores.empty();
    const seen = await store.write(async (tx) => {
      await tx.clusters.put(aCluster());
      return tx.clusters.get('default');
    });
    expect(seen).toEqual(aCluster());
  });

  it('leave nothing behind when their work fails, and the next one runs', async () => {
    const store = await stores.empty();
    const heard = listeningTo(store);
    const failing = store.write(async (tx) => {
      await tx.clusters.put(aCluster({ clusterName: 'half' }));
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    await store.write((tx) => tx.clusters.put(aCluster({ clusterName: 'whole' })));
    expect(await clusterNames(store)).toEqual(['whole']);
    expect(heard).toEqual([{ clusters: ['whole'] }]);
  });

  it('refuse to be used after they ended', async () => {
    const store = await stores.empty();
    const ended = await store.write(async (tx) => ({ tx }));
    await expect(ended.tx.clusters.put(aCluster())).rejects.toThrow(/committed/);
    expect(await clusterNames(store)).toEqual([]);
  });

  it('that read refuse to write', async () => {
    const store = await stores.empty();
    await expect(store.read((tx) => tx.clusters.put(aCluster()))).rejects.toThrow(/read-?only/);
    await store.write((tx) => tx.clusters.put(aCluster()));
    expect(await clusterNames(store)).toEqual(['default']);
  });

  it('that read never see half a write', async () => {
    const store = await stores.empty();
    const pairs = [store.write((tx) => putPair(tx, 0))];
    for (let version = 1; version <= 10; version++) pairs.push(store.write((tx) => putPair(tx, version)));
    const seen = await Promise.all(
      Array.from({ length: 20 }, () =>
        store.read(async (tx) => [
          (await tx.clusters.get('left'))?.createdAt,
          (await tx.clusters.get('right'))?.createdAt,
        ]),
      ),
    );
    await Promise.all(pairs);
    for (const [left, right] of seen) expect(left).toBe(right);
  });

  async function putPair(tx: Parameters<Parameters<Store['write']>[0]>[0], version: number): Promise<void> {
    await tx.clusters.put(aCluster({ clusterName: 'left', createdAt: version }));
    await tx.clusters.put(aCluster({ clusterName: 'right', createdAt: version }));
  }

  it('that write lose no update among each other', async () => {
    const store = await stores.empty();
    await store.write((tx) => tx.clusters.put(aCluster({ createdAt: 0 })));
    await Promise.all(Array.from({ length: 50 }, () => countUp(store)));
    expect((await store.read((tx) => tx.clusters.get('default')))?.createdAt).toBe(50);
  });

  it('of one store run and announce in the order in which they were asked for', async () => {
    const store = await stores.empty();
    const heard = listeningTo(store);
    const names = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all(names.map((clusterName) => store.write((tx) => tx.clusters.put(aCluster({ clusterName })))));
    expect(heard).toEqual(names.map((name) => ({ clusters: [name] })));
  });

  it('announce every key they put or deleted, once, after they are committed', async () => {
    const store = await stores.empty();
    const instance = aContainerInstance();
    const task = aTask({ containerInstanceArn: 'arn:instance', serviceName: 'worker' });
    const old = aTask();
    const definition = aTaskDefinition();
    await store.write((tx) => tx.tasks.put(old));
    const heard = listeningTo(store);
    await store.write(async (tx) => {
      await tx.clusters.put(aCluster());
      await tx.clusters.put(aCluster());
      await tx.containerInstances.put(instance);
      await tx.taskDefinitions.put(definition);
      await tx.tasks.putMany([task]);
      await tx.tasks.delete([old.taskArn, 'arn:nothing']);
      await tx.services.put(aService());
      expect(heard).toEqual([]);
    });
    expect(heard).toEqual([
      {
        clusters: ['default'],
        taskDefinitions: [definition.taskDefinitionArn],
        containerInstances: [instance.containerInstanceArn],
        tasks: [task.taskArn, old.taskArn],
        services: [aService({ serviceName: 'worker' }).serviceArn, aService().serviceArn],
        assignments: [instance.containerInstanceArn],
      },
    ]);
  });

  it('announce a line of assignments that was moved alone as nothing else', async () => {
    const store = await stores.empty();
    const instance = aContainerInstance();
    await store.write((tx) => tx.containerInstances.put(instance));
    const heard = listeningTo(store);
    await store.write((tx) => tx.containerInstances.moveLines([{ ...instance, assignmentNumber: 7 }]));
    expect(heard).toEqual([{ assignments: [instance.containerInstanceArn] }]);
  });

  it('announce the clusters in which they put a task that waits for a place', async () => {
    const store = await stores.empty();
    const heard = listeningTo(store);
    const task = aTask({ lastStatus: 'PROVISIONING' });
    await store.write((tx) => tx.tasks.put(task));
    expect(heard).toEqual([{ tasks: [task.taskArn], waiting: ['default'] }]);
  });

  it('announce what they deleted', async () => {
    const store = await stores.empty();
    await store.write(async (tx) => {
      await tx.services.put(aService());
      await tx.taskDefinitions.put(aTaskDefinition());
    });
    const heard = listeningTo(store);
    await store.write((tx) => tx.services.delete('default', 'web'));
    await store.write((tx) => tx.taskDefinitions.delete('web', 1));
    expect(heard).toEqual([
      { services: [aService().serviceArn] },
      { taskDefinitions: [aTaskDefinition().taskDefinitionArn] },
    ]);
  });

  it('announce nothing when they changed nothing', async () => {
    const store = await stores.empty();
    const heard = listeningTo(store);
    await store.write((tx) => tx.clusters.get('default'));
    await store.write((tx) => tx.tasks.delete(['arn:nothing']));
    await store.write((tx) => tx.services.delete('default', 'nothing'));
    await store.write((tx) => tx.taskDefinitions.delete('nothing', 1));
    await store.read((tx) => tx.clusters.get('default'));
    expect(heard).toEqual([]);
  });

  it('let a listener start the next transaction', async () => {
    const store = await stores.empty();
    const reacted = Promise.withResolvers<string[]>();
    store.subscribe(() => reacted.resolve(clusterNames(store)));
    await store.write((tx) => tx.clusters.put(aCluster()));
    expect(await reacted.promise).toEqual(['default']);
  });

  it('tell nobody who stopped listening', async () => {
    const store = await stores.empty();
    let heard = 0;
    const stop = store.subscribe(() => (heard += 1));
    await store.write((tx) => tx.clusters.put(aCluster()));
    stop();
    stop();
    await store.write((tx) => tx.clusters.put(aCluster()));
    expect(heard).toBe(1);
  });

  it('can be reached until the store is closed', async () => {
    const store = await stores.empty();
    await expect(store.ping()).resolves.toBeUndefined();
    await store.close();
    await expect(store.ping()).rejects.toThrow(/destroyed/);
  });
});

async function countUp(store: Store): Promise<void> {
  await store.write(async (tx) => {
    const cluster = await tx.clusters.get('default');
    await tx.clusters.put(aCluster({ createdAt: (cluster?.createdAt ?? 0) + 1 }));
  });
}

describe.each(durableStoreKinds)('two stores on one database: $name', (kind) => {
  const stores = useStores(kind);

  it('lose no update of each other', async () => {
    const place = await stores.newPlace();
    const [one, other] = [await place.open(), await place.open()];
    await one.write((tx) => tx.clusters.put(aCluster({ createdAt: 0 })));
    await Promise.all(Array.from({ length: 40 }, (_, turn) => countUp(turn % 2 === 0 ? one : other)));
    expect((await other.read((tx) => tx.clusters.get('default')))?.createdAt).toBe(40);
  });

  it('give every revision of a new family once', async () => {
    const place = await stores.newPlace();
    const both = [await place.open(), await place.open()];
    const register = (store: Store): Promise<number> =>
      store.write(async (tx) => {
        const revision = (await tx.taskDefinitions.lastRevision('web')) + 1;
        await tx.taskDefinitions.put(aTaskDefinition({ revision }));
        return revision;
      });
    const given = await Promise.all([...both, ...both, ...both, ...both].map(register));
    expect(given.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('register a machine once', async () => {
    const place = await stores.newPlace();
    const both = [await place.open(), await place.open()];
    const register = (store: Store): Promise<string> =>
      store.write(async (tx) => {
        const known = await tx.containerInstances.byMachine('default', 'm-1');
        if (known !== undefined) return known.containerInstanceArn;
        const instance = aContainerInstance({ machineId: 'm-1' });
        await tx.containerInstances.put(instance);
        return instance.containerInstanceArn;
      });
    const arns = await Promise.all([...both, ...both].map(register));
    expect(new Set(arns).size).toBe(1);
  });

  it('read what the other wrote as soon as its write resolved', async () => {
    const place = await stores.newPlace();
    const [one, other] = [await place.open(), await place.open()];
    for (const clusterName of ['a', 'b', 'c']) {
      await one.write((tx) => tx.clusters.put(aCluster({ clusterName })));
      expect(await other.read((tx) => tx.clusters.get(clusterName))).toBeDefined();
    }
  });
});

describe('a listener that throws', () => {
  it('is logged and keeps neither the writer nor the other listeners from theirs', async () => {
    const logged: object[] = [];
    const logger: Logger = { ...silentLogger, error: (fields) => void logged.push(fields) };
    const store = await createSqliteStore({ path: ':memory:', logger });
    const failure = new Error('not my day');
    store.subscribe(() => {
      throw failure;
    });
    const heard = listeningTo(store);
    await store.write((tx) => tx.clusters.put(aCluster()));
    expect(heard).toEqual([{ clusters: ['default'] }]);
    expect(logged).toEqual([{ error: failure }]);
    await store.close();
  });
});

describe('a crash that is acted out', () => {
  it('before the commit leaves nothing and announces nothing', async () => {
    let crash = false;
    const beforeCommit = (): void => {
      if (crash) throw new Error('crashed');
    };
    const store = await createSqliteStore({ path: ':memory:', beforeCommit });
    const heard = listeningTo(store);
    crash = true;
    await expect(store.write((tx) => tx.clusters.put(aCluster()))).rejects.toThrow('crashed');
    crash = false;
    expect(await clusterNames(store)).toEqual([]);
    expect(heard).toEqual([]);
    await store.close();
  });

  it('after the commit leaves everything, though the writer hears of a failure and no listener of the change', async () => {
    const afterCommit = (): void => {
      throw new Error('crashed');
    };
    const store = await createSqliteStore({ path: ':memory:', afterCommit });
    const heard = listeningTo(store);
    await expect(store.write((tx) => tx.clusters.put(aCluster()))).rejects.toThrow('crashed');
    expect(await clusterNames(store)).toEqual(['default']);
    expect(heard).toEqual([]);
    await store.close();
  });
});

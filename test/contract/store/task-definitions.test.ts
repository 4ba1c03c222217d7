/** Task definitions: revisions, families and their two orders. */
import { describe, expect, it } from 'vitest';
import type { Store } from '#control/store/store.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import { aTaskDefinition } from '#test/support/builders/a-task-definition.ts';
import { storeKinds, useStores } from './store-kinds.ts';

function putting(store: Store, definitions: readonly TaskDefinition[]): Promise<void> {
  return store.write(async (tx) => {
    for (const definition of definitions) await tx.taskDefinitions.put(definition);
  });
}

function revisions(family: string, numbers: readonly number[]): TaskDefinition[] {
  return numbers.map((revision) => aTaskDefinition({ family, revision }));
}

describe.each(storeKinds)('task definitions in $name', (kind) => {
  const stores = useStores(kind);

  it('come back as they were put', async () => {
    const store = await stores.empty();
    const definition = aTaskDefinition({ family: 'web', revision: 3, tags: [{ key: 'team', value: 'a' }] });
    await putting(store, [definition]);
    expect(await store.read((tx) => tx.taskDefinitions.get('web', 3))).toEqual(definition);
    expect(await store.read((tx) => tx.taskDefinitions.get('web', 4))).toBeUndefined();
  });

  it('have a latest active revision, by number and not by text', async () => {
    const store = await stores.empty();
    await putting(store, revisions('web', [9, 10, 2]));
    expect(await store.read((tx) => tx.taskDefinitions.latestActive('web'))).toMatchObject({ revision: 10 });
    await putting(store, [aTaskDefinition({ revision: 10, status: 'INACTIVE' })]);
    expect(await store.read((tx) => tx.taskDefinitions.latestActive('web'))).toMatchObject({ revision: 9 });
    expect(await store.read((tx) => tx.taskDefinitions.latestActive('none'))).toBeUndefined();
  });

  it('never lose the last number of their family', async () => {
    const store = await stores.empty();
    expect(await store.read((tx) => tx.taskDefinitions.lastRevision('web'))).toBe(0);
    await putting(store, revisions('web', [1, 2]));
    await store.write((tx) => tx.taskDefinitions.delete('web', 2));
    await putting(store, revisions('web', [1]));
    expect(await store.read((tx) => tx.taskDefinitions.lastRevision('web'))).toBe(2);
    await store.write((tx) => tx.taskDefinitions.delete('web', 1));
    expect(await store.read((tx) => tx.taskDefinitions.lastRevision('web'))).toBe(2);
    expect(await store.read((tx) => tx.taskDefinitions.get('web', 2))).toBeUndefined();
  });

  it('are listed by family and number, in both directions and over pages', async () => {
    const store = await stores.empty();
    await putting(store, [
      ...revisions('web', [10, 9, 1]),
      ...revisions('a', [2]),
      ...revisions('web-2', [1]),
      aTaskDefinition({ family: 'b', status: 'INACTIVE' }),
    ]);
    const ascending = ['a:2', 'web:1', 'web:9', 'web:10', 'web-2:1'];
    expect(await everyPage(store, 'ASC')).toEqual(ascending);
    expect(await everyPage(store, 'DESC')).toEqual(ascending.toReversed());
    expect(await everyPage(store, 'DESC', 'web')).toEqual(['web:10', 'web:9', 'web:1']);
    const inactive = await store.read((tx) =>
      tx.taskDefinitions.list({ status: 'INACTIVE', sort: 'ASC' }, { limit: 10 }),
    );
    expect(inactive.items).toEqual([
      { family: 'b', revision: 1, taskDefinitionArn: aTaskDefinition({ family: 'b' }).taskDefinitionArn },
    ]);
  });

  async function everyPage(store: Store, sort: 'ASC' | 'DESC', family?: string): Promise<string[]> {
    const filter = { status: 'ACTIVE', sort, ...(family === undefined ? {} : { family }) } as const;
    const seen: string[] = [];
    let next: string | undefined;
    do {
      const page = { limit: 2, ...(next === undefined ? {} : { after: next }) };
      const answer = await store.read((tx) => tx.taskDefinitions.list(filter, page));
      seen.push(...answer.items.map((item) => `${item.family}:${item.revision}`));
      next = answer.next;
    } while (next !== undefined);
    return seen;
  }

  it('refuse to go on after what is no place in the list', async () => {
    const store = await stores.empty();
    const filter = { status: 'ACTIVE', sort: 'ASC' } as const;
    await expect(store.read((tx) => tx.taskDefinitions.list(filter, { limit: 1, after: 'nonsense' }))).rejects.toThrow(
      RangeError,
    );
  });

  it('group into families by prefix and by whether any revision is active', async () => {
    const store = await stores.empty();
    await putting(store, [
      ...revisions('web', [1, 2]),
      aTaskDefinition({ family: 'web', revision: 3, status: 'INACTIVE' }),
      aTaskDefinition({ family: 'web_old', status: 'INACTIVE' }),
      aTaskDefinition({ family: 'worker', status: 'DELETE_IN_PROGRESS' }),
      aTaskDefinition({ family: 'WEB' }),
      aTaskDefinition({ family: 'webber' }),
    ]);
    type Filter = { prefix?: string; status: 'ACTIVE' | 'INACTIVE' | 'ALL' };
    const families = async (filter: Filter): Promise<string[]> =>
      (await store.read((tx) => tx.taskDefinitions.families(filter, { limit: 10 }))).items;
    expect(await families({ status: 'ALL' })).toEqual(['WEB', 'web', 'web_old', 'webber', 'worker']);
    expect(await families({ status: 'ACTIVE', prefix: 'web' })).toEqual(['web', 'webber']);
    expect(await families({ status: 'INACTIVE' })).toEqual(['web_old', 'worker']);
    expect(await families({ status: 'ALL', prefix: 'web_' })).toEqual(['web_old']);
    const first = await store.read((tx) => tx.taskDefinitions.families({ status: 'ALL' }, { limit: 2 }));
    expect(first).toEqual({ items: ['WEB', 'web'], next: 'web' });
    const second = await store.read((tx) => tx.taskDefinitions.families({ status: 'ALL' }, { limit: 3, after: 'web' }));
    expect(second).toEqual({ items: ['web_old', 'webber', 'worker'] });
  });
});

/** Every kind of store that must keep the contract, and the places where a test may open them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { SchemaMigration } from '#control/store/migrations/migrations.ts';
import { createPostgresStore } from '#control/store/postgres.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';
import { createMemoryStore } from '#test/support/memory-store/memory-store.ts';
import { startPostgres } from '#test/support/postgres.ts';

export interface OpenOptions {
  readonly migrations?: readonly SchemaMigration[];
  readonly beforeMigrating?: () => Promise<void>;
}

/** An empty database. A durable one may be opened more than once, at the same time or one after the other. */
export interface Place {
  /** As the control service is told where its store is: `sqlite:<path>` or a PostgreSQL URL. */
  readonly address: string;
  open(options?: OpenOptions): Promise<Store>;
}

interface Host {
  newPlace(): Promise<Place>;
  stop(): Promise<void>;
}

export interface StoreKind {
  readonly name: string;
  start(): Promise<Host>;
}

const sqliteInMemory: StoreKind = {
  name: 'SQLite in memory',
  start: () =>
    Promise.resolve({
      newPlace: () =>
        Promise.resolve({
          address: 'sqlite::memory:',
          open: (options) => createSqliteStore({ path: ':memory:', ...options }),
        }),
      stop: () => Promise.resolve(),
    }),
};

const sqliteFile: StoreKind = {
  name: 'a SQLite file',
  start() {
    const folder = mkdtempSync(join(tmpdir(), 'berth-store-'));
    let made = 0;
    return Promise.resolve({
      newPlace() {
        made += 1;
        const path = join(folder, `store-${made}.sqlite`);
        return Promise.resolve({
          address: `sqlite:${path}`,
          open: (options) => createSqliteStore({ path, ...options }),
        });
      },
      stop: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
    });
  },
};

const postgres: StoreKind = {
  name: 'PostgreSQL',
  async start() {
    const server = await startPostgres();
    return {
      async newPlace() {
        const url = await server.createDatabase();
        return { address: url, open: (options) => createPostgresStore({ url, ...options }) };
      },
      stop: () => server.stop(),
    };
  },
};

/** What simulations run on; it has no schema. */
const memory: StoreKind = {
  name: "the simulation's memory",
  start: () =>
    Promise.resolve({
      newPlace: () => Promise.resolve({ address: 'memory', open: () => Promise.resolve(createMemoryStore()) }),
      stop: () => Promise.resolve(),
    }),
};

export const storeKinds: readonly StoreKind[] = [sqliteInMemory, sqliteFile, postgres, memory];
export const durableStoreKinds: readonly StoreKind[] = [sqliteFile, postgres];

export interface Stores {
  /** A store over an empty database. */
  empty(): Promise<Store>;
  newPlace(): Promise<Place>;
}

/** Call it within `describe`: what tests open is closed after each of them, and everything is removed after the last. */
export function useStores(kind: StoreKind): Stores {
  let host: Host | undefined;
  const opened = new Set<Store>();

  beforeAll(async () => {
    host = await kind.start();
  });
  afterEach(async () => {
    const closing = [...opened];
    opened.clear();
    await Promise.all(closing.map((store) => store.close()));
  });
  afterAll(async () => {
    await host?.stop();
  });

  async function newPlace(): Promise<Place> {
    if (host === undefined) throw new Error('stores can only be made within a test');
    const place = await host.newPlace();
    return {
      address: place.address,
      async open(options) {
        const store = await place.open(options);
        opened.add(store);
        return { ...store, close: () => (opened.delete(store), store.close()) };
      },
    };
  }

  return { newPlace, empty: async () => (await newPlace()).open() };
}

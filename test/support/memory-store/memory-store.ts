/**
 * The store's port in memory, for simulations: many times as fast as SQLite, and held to the same contract suite. Transactions run one after the
 * other in the order in which they were asked for; one that fails leaves nothing behind.
 */
import {
  createChangeFeed,
  createChangeRecorder,
  type ChangeFeed,
  type ChangeRecorder,
} from '#control/store/change-set.ts';
import { rowsForPage, toPage } from '#control/store/sql/queries.ts';
import type {
  AccessKey,
  AccountSetting,
  CapacityProviderTable,
  ClusterTable,
  ContainerInstanceTable,
  IdempotencyRecord,
  OccupiedInstance,
  ServiceTable,
  Store,
  StoreTransaction,
} from '#control/store/store.ts';
import { silentLogger, type Logger } from '#lib/logger.ts';
import { createSemaphore } from '#lib/semaphore.ts';
import type { CapacityProvider } from '#model/capacity-provider.ts';
import type { Cluster } from '#model/cluster.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Service } from '#model/service.ts';
import { activationTable, machineCertificateTable } from './machine-trust.ts';
import { inOrder, KeyIndex, Rows, type UndoLog } from './rows.ts';
import { serviceDeploymentTable, serviceRevisionTable } from './service-deployments.ts';
import { taskDefinitionTable } from './task-definitions.ts';
import { taskTable, type MemoryTaskTable } from './tasks.ts';

export interface MemoryStoreOptions {
  readonly logger?: Logger;
  /** As those of the SQLite store. */
  readonly beforeCommit?: () => void;
  readonly afterCommit?: () => void;
}

export function createMemoryStore({
  logger = silentLogger,
  beforeCommit,
  afterCommit,
}: MemoryStoreOptions = {}): Store {
  const undo: UndoLog = [];
  const door: Door = { transaction: 'none' };
  /** Of the transaction that runs: there is one at a time. */
  let recorder = createChangeRecorder();
  const tables = guarded(
    createTables(
      undo,
      recordingTo(() => recorder),
    ),
    door,
  );
  const feed: ChangeFeed = createChangeFeed(logger);
  const turns = createSemaphore(1);
  let closed = false;

  async function transact<T>(work: (tx: StoreTransaction) => Promise<T>, kind: 'reads' | 'writes'): Promise<T> {
    if (closed) throw new Error('the store is destroyed');
    door.transaction = kind;
    undo.length = 0;
    try {
      const answer = await work(tables);
      if (kind === 'writes') beforeCommit?.();
      return answer;
    } catch (error) {
      for (const takeBack of undo.toReversed()) takeBack();
      throw error;
    } finally {
      door.transaction = 'none';
      undo.length = 0;
    }
  }

  async function write<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    recorder = createChangeRecorder();
    const { changes } = recorder;
    const result = await transact(work, 'writes');
    afterCommit?.();
    feed.announce(changes);
    return result;
  }

  return {
    read: (work) => turns.run(() => transact(work, 'reads')),
    write: (work) => turns.run(() => write(work)),
    subscribe: feed.subscribe,
    ping: () => (closed ? Promise.reject(new Error('the store is destroyed')) : Promise.resolve()),
    close: () =>
      turns.run(() => {
        closed = true;
        return Promise.resolve();
      }),
  };
}

/** What kind of transaction runs. */
interface Door {
  transaction: 'none' | 'reads' | 'writes';
}

function recordingTo(current: () => ChangeRecorder): ChangeRecorder {
  return {
    get changes() {
      return current().changes;
    },
    cluster: (name) => current().cluster(name),
    taskDefinition: (arn) => current().taskDefinition(arn),
    containerInstance: (instance) => current().containerInstance(instance),
    assignmentLine: (instance) => current().assignmentLine(instance),
    task: (task) => current().task(task),
    deletedTask: (arn) => current().deletedTask(arn),
    service: (arn) => current().service(arn),
  };
}

const reads: ReadonlySet<string> = new Set([
  'get',
  'getMany',
  'list',
  'all',
  'byMachine',
  'occupying',
  'occupied',
  'assignedTo',
  'counts',
  'stoppedBefore',
  'definitionInUse',
  'latestActive',
  'lastRevision',
  'families',
  'servicesWithMoreThan',
  'ofMachine',
  'endingAfter',
]);

/** The tables as long as a transaction is open, and for reading only when it reads. They are made once: most transactions are short. */
function guarded(tx: StoreTransaction, door: Door): StoreTransaction {
  const guardedTables: Record<string, object> = {};
  for (const [name, table] of Object.entries(tx) as [string, Readonly<Record<string, unknown>>][]) {
    const methods: Record<string, unknown> = {};
    for (const [method, run] of Object.entries(table)) {
      if (typeof run !== 'function') continue;
      const writes = !reads.has(method);
      methods[method] = (...args: unknown[]): unknown => {
        if (door.transaction === 'none')
          return Promise.reject(new Error('the transaction is committed or rolled back'));
        if (writes && door.transaction === 'reads')
          return Promise.reject(new Error('a read-only transaction cannot write'));
        try {
          return Reflect.apply(run, table, args);
        } catch (error) {
          return Promise.reject(error);
        }
      };
    }
    guardedTables[name] = methods;
  }
  return guardedTables as unknown as StoreTransaction;
}

function createTables(undo: UndoLog, recorder: ChangeRecorder): StoreTransaction {
  const clusters = new Rows<Cluster>(undo);
  const services = new Rows<Service>(undo);
  const idempotency = new Rows<IdempotencyRecord>(undo);
  const settings = new Rows<AccountSetting>(undo);
  const keys = new Rows<AccessKey>(undo);
  const providers = new Rows<CapacityProvider>(undo);
  const tasks = taskTable(undo, recorder, () => services.values());
  return {
    clusters: clusterTable(clusters, recorder),
    capacityProviders: capacityProviderTable(providers),
    taskDefinitions: taskDefinitionTable(undo, recorder),
    containerInstances: containerInstanceTable(undo, recorder, tasks),
    tasks,
    services: serviceTable(services, recorder),
    serviceDeployments: serviceDeploymentTable(undo),
    serviceRevisions: serviceRevisionTable(undo),
    idempotency: {
      get: (scope, token) => Promise.resolve(idempotency.get(pair(scope, token))),
      put: (record) => Promise.resolve(idempotency.put(pair(record.scope, record.clientToken), record)),
      deleteExpired(now) {
        const expired = [...idempotency.values()].filter(({ expiresAt }) => expiresAt <= now);
        for (const { scope, clientToken } of expired) idempotency.delete(pair(scope, clientToken));
        return Promise.resolve(expired.length);
      },
    },
    accountSettings: {
      list: () => Promise.resolve(inOrder(settings.values(), ({ principalArn, name }) => pair(principalArn, name))),
      put: (setting) => Promise.resolve(settings.put(pair(setting.principalArn, setting.name), setting)),
      delete: (principalArn, name) => Promise.resolve(void settings.delete(pair(principalArn, name))),
    },
    accessKeys: {
      get: (id) => Promise.resolve(keys.get(id)),
      put: (key) => Promise.resolve(keys.put(key.accessKeyId, key)),
      list: () => Promise.resolve(inOrder(keys.values(), ({ accessKeyId }) => accessKeyId)),
    },
    activations: activationTable(undo),
    machineCertificates: machineCertificateTable(undo),
  };
}

function clusterTable(rows: Rows<Cluster>, recorder: ChangeRecorder): ClusterTable {
  return {
    get: (name) => Promise.resolve(rows.get(name)),
    put(cluster) {
      rows.put(cluster.clusterName, cluster);
      recorder.cluster(cluster.clusterName);
      return Promise.resolve();
    },
    list({ status }, page) {
      const name = (cluster: Cluster): string => cluster.clusterName;
      const { after } = page;
      const found = inOrder(rows.values(), name).filter(
        (row) => (status === undefined || row.status === status) && (after === undefined || name(row) > after),
      );
      return Promise.resolve(toPage(found.slice(0, rowsForPage(page)), page, name, same));
    },
  };
}

function capacityProviderTable(rows: Rows<CapacityProvider>): CapacityProviderTable {
  const name = (provider: CapacityProvider): string => provider.name;
  return {
    get: (key) => Promise.resolve(rows.get(key)),
    getMany: (names) =>
      Promise.resolve(
        inOrder(
          [...new Set(names)].flatMap((key) => rows.get(key) ?? []),
          name,
        ),
      ),
    put: (provider) => Promise.resolve(rows.put(provider.name, provider)),
    delete: (key) => Promise.resolve(void rows.delete(key)),
    list(page) {
      const { after } = page;
      const found = inOrder(rows.values(), name).filter((row) => after === undefined || row.name > after);
      return Promise.resolve(toPage(found.slice(0, rowsForPage(page)), page, name, same));
    },
  };
}

function containerInstanceTable(
  undo: UndoLog,
  recorder: ChangeRecorder,
  tasks: Pick<MemoryTaskTable, 'occupants'>,
): ContainerInstanceTable {
  /** ARNs in order, until one comes or goes. */
  let order: readonly string[] | undefined;
  const arnsByMachine = new KeyIndex();
  const rows = new Rows<ContainerInstance>(undo, (before, after) => {
    if (before === undefined || after === undefined) order = undefined;
    if (before !== undefined) arnsByMachine.remove(before.machineId, before.containerInstanceArn);
    if (after !== undefined) arnsByMachine.add(after.machineId, after.containerInstanceArn);
  });
  /** As they were told last: one that says the same is the same. */
  const places = new Map<string, OccupiedInstance>();

  function* inOrderOfArn(): Iterable<ContainerInstance> {
    order ??= inOrder(rows.values(), ({ containerInstanceArn }) => containerInstanceArn).map(
      ({ containerInstanceArn }) => containerInstanceArn,
    );
    for (const arn of order) {
      const row = rows.get(arn);
      if (row !== undefined) yield row;
    }
  }

  function byMachine(clusterName: string, machineId: string): ContainerInstance | undefined {
    for (const arn of arnsByMachine.keys(machineId)) {
      const row = rows.get(arn);
      if (row !== undefined && row.clusterName === clusterName && row.status !== 'INACTIVE') return row;
    }
    return undefined;
  }

  const table: ContainerInstanceTable = {
    get: (arn) => Promise.resolve(rows.get(arn)),
    byMachine: (clusterName, machineId) => Promise.resolve(byMachine(clusterName, machineId)),
    put(instance) {
      const { clusterName, machineId, containerInstanceArn, status } = instance;
      const other = status === 'INACTIVE' ? undefined : byMachine(clusterName, machineId);
      if (other !== undefined && other.containerInstanceArn !== containerInstanceArn) {
        throw new Error('the registration of a machine is unique within a cluster');
      }
      rows.put(containerInstanceArn, instance);
      recorder.containerInstance(instance);
      return Promise.resolve();
    },
    async putMany(instances) {
      for (const instance of instances) await table.put(instance);
    },
    moveLines(instances) {
      for (const instance of instances) {
        rows.put(instance.containerInstanceArn, instance);
        recorder.assignmentLine(instance);
      }
      return Promise.resolve();
    },
    async occupied(clusterName) {
      return (await table.list({ clusterName })).map((instance) => {
        const occupants = tasks.occupants(instance.containerInstanceArn);
        const known = places.get(instance.containerInstanceArn);
        if (known?.instance === instance && known.tasks === occupants) return known;
        const place = { instance, tasks: occupants };
        places.set(instance.containerInstanceArn, place);
        return place;
      });
    },
    list({ clusterName, statuses }) {
      const wanted: ContainerInstance[] = [];
      for (const row of inOrderOfArn()) {
        const has = statuses === undefined ? row.status !== 'INACTIVE' : statuses.includes(row.status);
        if (has && (clusterName === undefined || row.clusterName === clusterName)) wanted.push(row);
      }
      return Promise.resolve(wanted);
    },
  };
  return table;
}

function serviceTable(rows: Rows<Service>, recorder: ChangeRecorder): ServiceTable {
  return {
    get: (clusterName, serviceName) => Promise.resolve(rows.get(pair(clusterName, serviceName))),
    put(service) {
      rows.put(pair(service.clusterName, service.serviceName), service);
      recorder.service(service.serviceArn);
      return Promise.resolve();
    },
    delete(clusterName, serviceName) {
      const deleted = rows.delete(pair(clusterName, serviceName));
      if (deleted !== undefined) recorder.service(deleted.serviceArn);
      return Promise.resolve();
    },
    list({ clusterName, statuses, launchType, schedulingStrategy }, page) {
      const arn = (service: Service): string => service.serviceArn;
      const { after } = page;
      const found = inOrder(rows.values(), arn).filter(
        (row) =>
          (clusterName === undefined || row.clusterName === clusterName) &&
          (statuses === undefined || statuses.includes(row.status)) &&
          (launchType === undefined || row.launchType === launchType) &&
          (schedulingStrategy === undefined || row.schedulingStrategy === schedulingStrategy) &&
          (after === undefined || arn(row) > after),
      );
      return Promise.resolve(toPage(found.slice(0, rowsForPage(page)), page, arn, same));
    },
  };
}

/** Neither part holds the separator. */
function pair(one: string, other: string): string {
  return `${one}\u0000${other}`;
}

function same<T>(value: T): T {
  return value;
}

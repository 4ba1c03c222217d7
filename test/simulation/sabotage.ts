/**
 * Promises broken on purpose, each through the seam where the real code keeps it: what control reads and writes, what a client is answered, what the
 * agent saves and asks of its engine. A simulation that does not notice them proves nothing.
 */
import type { ContainerEngine } from '#agent/engine/container-engine.ts';
import type { ContainerInstanceTable, ServiceTable, Store, StoreTransaction, TaskTable } from '#control/store/store.ts';
import { int, type Random } from '#lib/random.ts';
import type { DeploymentConfiguration } from '#model/service.ts';
import { taskStatusRank, type Task } from '#model/task.ts';
import type { Invariant } from './violation.ts';
import type { Sabotage } from './world.ts';

export interface SabotageCase extends Sabotage {
  /** Any of these is a fair description of the harm. */
  readonly breaks: readonly Invariant[];
}

export const sabotages: readonly SabotageCase[] = [
  {
    name: 'control answers API calls that it did not save',
    breaks: ['I10'],
    dispatcher: ({ dispatch }) => ({
      dispatch: (request) =>
        request.operation === 'UpdateService'
          ? Promise.resolve({ status: 200, body: { service: {} } })
          : dispatch(request),
    }),
  },
  {
    name: 'a write of a task undoes its end',
    breaks: ['I1'],
    store: (store) => withTasks(store, (tasks) => rewriting(tasks, (task) => (hasEnded(task) ? revived(task) : task))),
  },
  {
    name: 'a write of a task moves it to another machine',
    breaks: ['I2', 'I7'],
    store: (store, _process, random) =>
      withTransactions(store, async (tx) => {
        const machines = (await tx.containerInstances.list({})).map((each) => each.containerInstanceArn);
        const move = (task: Task): Task => {
          const elsewhere = machines.find((arn) => arn !== task.containerInstanceArn);
          const moves = task.lastStatus === 'RUNNING' && elsewhere !== undefined && int(random, 1, 5) === 1;
          return moves ? { ...task, containerInstanceArn: elsewhere } : task;
        };
        return { ...tx, tasks: rewriting(tx.tasks, move) };
      }),
  },
  {
    name: 'placement does not see what is taken',
    breaks: ['I7'],
    store: (store) =>
      withTransactions(store, ({ containerInstances, tasks, ...tx }) => {
        // What launches see, and what RunTask that waits for room sees.
        const occupied: ContainerInstanceTable['occupied'] = async (clusterName) =>
          (await containerInstances.occupied(clusterName)).map(({ instance }) => ({ instance, tasks: [] }));
        return Promise.resolve({
          ...tx,
          containerInstances: { ...containerInstances, occupied },
          tasks: { ...tasks, occupying: () => Promise.resolve([]) },
        });
      }),
  },
  {
    name: 'the scheduler ignores the ceiling',
    breaks: ['I3'],
    store: (store) => withPercents(store, { maximumPercent: 400 }),
  },
  {
    name: 'the scheduler ignores the floor',
    breaks: ['I4'],
    store: (store) => withPercents(store, { minimumHealthyPercent: 0, maximumPercent: 100 }),
  },
  {
    name: 'the scheduler does not see that tasks are protected',
    breaks: ['I16'],
    store: (store) =>
      withTasks(store, (tasks) => ({
        ...tasks,
        async all(filter) {
          const found = await tasks.all(filter);
          // What looks at a service decides; others write back what they read.
          return filter.serviceName === undefined ? found : found.map((task) => ({ ...task, protectedUntil: 0 }));
        },
      })),
  },
  {
    name: 'a service does not see that its lost tasks are back',
    breaks: ['I17', 'I12', 'I8'],
    store: (store) =>
      withTasks(store, (tasks) => ({
        ...tasks,
        async all(filter) {
          const found = await tasks.all(filter);
          return filter.serviceName === undefined ? found : found.filter(({ lostAt }) => lostAt === undefined);
        },
      })),
  },
  {
    name: 'the agent counts a repeated message once more',
    breaks: ['I11'],
    journal: (journal) => ({
      ...journal,
      saveAssignments(update) {
        const repeated = update.number > 0 && update.number <= journal.assignmentNumber();
        journal.saveAssignments(repeated ? { ...update, number: journal.assignmentNumber() + 1 } : update);
      },
    }),
  },
  {
    name: 'control writes although nothing happens',
    breaks: ['I12'],
    store(store, { clock }) {
      const write = async (): Promise<void> => {
        await store.write(async (tx) => {
          for (const instance of await tx.containerInstances.list({})) {
            await tx.containerInstances.put({ ...instance, version: instance.version + 1 });
          }
        });
        clock.after(60_000, () => void write());
      };
      clock.after(60_000, () => void write());
      return store;
    },
  },
  {
    name: 'the agent acknowledges assignments that it does not save',
    breaks: ['I8', 'I12', 'I13'],
    journal: (journal) => ({
      ...journal,
      saveAssignments(update) {
        journal.saveAssignments(update.number % 3 === 0 ? { ...update, tasks: [] } : update);
      },
    }),
  },
  {
    name: 'the agent takes a container for ended that runs',
    breaks: ['I7', 'I12', 'I13'],
    engine: (engine, random) =>
      overriding(engine, {
        async inspect(idOrName, options) {
          const found = await engine.inspect(idOrName, options);
          return found?.state === 'running' && forgetful(random) ? { ...found, state: 'exited', exitCode: 0 } : found;
        },
      }),
  },
  {
    name: 'the agent creates under a new name each time',
    breaks: ['I7', 'I13'],
    engine(engine) {
      let made = 0;
      const names = new Map<string, string>();
      return overriding(engine, {
        async create(spec, options) {
          made += 1;
          const name = `${spec.name}-${made}`;
          names.set(spec.name, name);
          return engine.create({ ...spec, name }, options);
        },
        start: (name, options) => engine.start(names.get(name) ?? name, options),
        stop: (name, options) => engine.stop(names.get(name) ?? name, options),
        remove: (name, options) => engine.remove(names.get(name) ?? name, options),
        inspect: (name, options) => engine.inspect(names.get(name) ?? name, options),
      });
    },
  },
];

function withTransactions(store: Store, wrap: (tx: StoreTransaction) => Promise<StoreTransaction>): Store {
  return { ...store, write: (work) => store.write(async (tx) => work(await wrap(tx))) };
}

function withTasks(store: Store, wrap: (tasks: TaskTable) => TaskTable): Store {
  return withTransactions(store, (tx) => Promise.resolve({ ...tx, tasks: wrap(tx.tasks) }));
}

/** Services that roll read as if configured otherwise; what is written keeps the configuration that it had. */
function withPercents(store: Store, percents: Partial<DeploymentConfiguration>): Store {
  return withTransactions(store, (tx) => {
    const { services } = tx;
    const get: ServiceTable['get'] = async (clusterName, serviceName) => {
      const service = await services.get(clusterName, serviceName);
      if (service === undefined || service.deployments.length < 2) return service;
      return { ...service, deploymentConfiguration: { ...service.deploymentConfiguration, ...percents } };
    };
    const put: ServiceTable['put'] = async (service) => {
      const saved = (await services.get(service.clusterName, service.serviceName)) ?? service;
      await services.put({ ...service, deploymentConfiguration: saved.deploymentConfiguration });
    };
    return Promise.resolve({ ...tx, services: { ...services, get, put } });
  });
}

/** Every task that is written is changed first. */
function rewriting(tasks: TaskTable, change: (task: Task) => Task): TaskTable {
  return {
    ...tasks,
    put: (task) => tasks.put(change(task)),
    putMany: (many) => tasks.putMany(many.map(change)),
  };
}

function overriding(engine: ContainerEngine, methods: Partial<ContainerEngine>): ContainerEngine {
  return new Proxy(engine, { get: (target, name) => Reflect.get(name in methods ? methods : target, name) as unknown });
}

function hasEnded({ lastStatus }: Task): boolean {
  return taskStatusRank(lastStatus) >= taskStatusRank('STOPPING');
}

function revived(task: Task): Task {
  return { ...task, lastStatus: 'PENDING', desiredStatus: 'RUNNING' };
}

function forgetful(random: Random): boolean {
  return int(random, 1, 4) === 1;
}

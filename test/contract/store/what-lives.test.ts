/**
 * What lives is what the database has, whatever happened: transactions that fail, that run beside each other, that another store on the same database
 * made. A store that answers from memory must say what one that has just been opened says.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { candidatesOn, ownTasks, type Candidate } from '#control/scheduler/candidate.ts';
import type { Store, StoreTransaction, TaskFilter } from '#control/store/store.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Task } from '#model/task.ts';
import { aContainerInstance } from '#test/support/builders/a-container-instance.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { durableStoreKinds, storeKinds, useStores } from './store-kinds.ts';

const instances = Array.from({ length: 4 }, (_, index) =>
  aContainerInstance({ clusterName: index < 3 ? 'default' : 'other', machineId: `machine-${index}` }),
);
const instanceArns = instances.map(({ containerInstanceArn }) => containerInstanceArn);
/** The very same values, as the rows of a task share them while it only moves on. */
const claims = [
  { resources: { cpu: 100, memoryMiB: 64, ports: [], gpuCount: 0 }, gpuIds: [] },
  { resources: { cpu: 20, memoryMiB: 32, ports: [{ port: 8080, protocol: 'tcp' as const }], gpuCount: 0 }, gpuIds: [] },
];
const taskArns = Array.from({ length: 12 }, () => aTask().taskArn);

type Step =
  | { readonly kind: 'task'; readonly task: Task }
  | { readonly kind: 'delete'; readonly taskArn: string }
  | { readonly kind: 'instance'; readonly instance: ContainerInstance }
  | { readonly kind: 'line'; readonly containerInstanceArn: string };

interface Transaction {
  readonly steps: readonly Step[];
  readonly fails: boolean;
  /** Which of the stores on the database makes it. */
  readonly other: boolean;
}

const task: fc.Arbitrary<Task> = fc
  .record({
    taskArn: fc.constantFrom(...taskArns),
    clusterName: fc.constantFrom('default', 'default', 'other'),
    place: fc.constantFrom(undefined, ...instanceArns),
    serviceName: fc.constantFrom(undefined, 'web', 'worker'),
    desiredStatus: fc.constantFrom('RUNNING', 'RUNNING', 'STOPPED'),
    claim: fc.constantFrom(...claims),
    lastStatus: fc.constantFrom('PROVISIONING', 'PENDING', 'RUNNING', 'STOPPING', 'STOPPED'),
    assignmentNumber: fc.nat(9),
    startedBy: fc.constantFrom('me', 'you'),
    lostAt: fc.constantFrom(undefined, undefined, 1000),
  })
  .map(({ place, serviceName, lostAt, claim, ...rest }) => {
    const { containerInstanceArn: _, serviceName: __, ...plain } = aTask(rest as Partial<Task>);
    return {
      ...plain,
      ...claim,
      ...(lostAt === undefined ? {} : { lostAt }),
      ...(place === undefined ? {} : { containerInstanceArn: place }),
      ...(serviceName === undefined ? {} : { serviceName }),
    };
  });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: task.map((each): Step => ({ kind: 'task', task: each })) },
  { weight: 1, arbitrary: fc.constantFrom(...taskArns).map((taskArn): Step => ({ kind: 'delete', taskArn })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom(...instances),
        fc.constantFrom('ACTIVE' as const, 'DRAINING' as const, 'INACTIVE' as const),
      )
      .map(([instance, status]): Step => ({ kind: 'instance', instance: { ...instance, status } })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...instanceArns)
      .map((containerInstanceArn): Step => ({ kind: 'line', containerInstanceArn })),
  },
);
const transaction: fc.Arbitrary<Transaction> = fc.record({
  steps: fc.array(step, { maxLength: 4 }),
  fails: fc.constantFrom(false, false, false, true),
  other: fc.constantFrom(false, false, true),
});

async function carryOut(tx: StoreTransaction, { steps, fails }: Transaction): Promise<void> {
  for (const each of steps) {
    if (each.kind === 'task') await tx.tasks.put(each.task);
    else if (each.kind === 'delete') await tx.tasks.delete([each.taskArn]);
    else if (each.kind === 'instance') await tx.containerInstances.put(each.instance);
    else await moveLine(tx, each.containerInstanceArn);
  }
  if (fails) throw new Error('meant to fail');
}

async function moveLine(tx: StoreTransaction, containerInstanceArn: string): Promise<void> {
  const instance = await tx.containerInstances.get(containerInstanceArn);
  if (instance === undefined) return;
  await tx.containerInstances.moveLines([{ ...instance, assignmentNumber: instance.assignmentNumber + 1 }]);
}

/** Page by page; all of it must be what one question answers. */
async function listed(tx: StoreTransaction, filter: TaskFilter): Promise<Task[]> {
  const tasks: Task[] = [];
  let after: string | undefined;
  do {
    const page = await tx.tasks.list(filter, { limit: 2, ...(after === undefined ? {} : { after }) });
    tasks.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  expect(tasks).toEqual(await tx.tasks.all(filter));
  return tasks;
}

async function run(store: Store, each: Transaction): Promise<void> {
  try {
    await store.write((tx) => carryOut(tx, each));
  } catch (error) {
    if (!each.fails) throw error;
  }
}

/** What placement makes of an instance: what was added up task by task must say what all its tasks say. */
function asPlaced(candidate: Candidate): object {
  const { remaining, occupants } = candidate;
  const requests = [{ group: 'family:web' }, { group: 'service:web', serviceName: 'web' }];
  return {
    ...remaining,
    takenPorts: remaining.takenPorts.map(({ port, protocol }) => `${port}/${protocol}`).toSorted(),
    occupants: occupants.map(({ taskArn }) => taskArn),
    own: requests.map((request) => ownTasks(candidate, request)),
  };
}

/** Everything that may be answered from memory. */
function whatLives(store: Store): Promise<object> {
  return store.read(async (tx) => {
    const filters = [
      { live: true },
      { clusterName: 'default', live: true },
      { clusterName: 'default', serviceName: 'web', live: true },
      { clusterName: 'default', startedBy: 'me', live: true },
      { clusterName: 'default', serviceName: 'web', live: true, present: true },
      { live: true, present: true },
      ...instanceArns.map((containerInstanceArn) => ({ containerInstanceArn, live: true })),
    ];
    const answers: object[] = [];
    for (const filter of filters) answers.push(await tx.tasks.all(filter), await tx.tasks.counts(filter));
    for (const clusterName of ['default', 'other']) {
      answers.push(await listed(tx, { clusterName }), await listed(tx, { clusterName, desiredStatus: 'STOPPED' }));
      answers.push(
        await listed(tx, { clusterName, live: true }),
        await listed(tx, { clusterName, serviceName: 'web' }),
      );
      const occupying = await tx.tasks.occupying(clusterName);
      answers.push(occupying.map(({ taskArn, containerInstanceArn }) => ({ taskArn, containerInstanceArn })));
      answers.push(await tx.containerInstances.list({ clusterName }));
      const occupied = await tx.containerInstances.occupied(clusterName);
      answers.push(occupied.map(({ instance, tasks }) => ({ instance, tasks: tasks.map(({ taskArn }) => taskArn) })));
      const known = candidatesOn(occupied).map(asPlaced);
      const onlyTasks = occupied.map(({ instance, tasks }) => ({ instance, tasks: [...tasks] }));
      expect(known).toEqual(candidatesOn(onlyTasks).map(asPlaced));
      answers.push(known);
    }
    for (const arn of instanceArns) {
      answers.push(
        await tx.tasks.assignedTo(arn),
        await tx.tasks.assignedTo(arn, 4),
        await tx.tasks.assignedTo(arn, 9),
      );
      answers.push({ found: await tx.containerInstances.get(arn) });
    }
    answers.push(await tx.tasks.getMany(taskArns));
    return answers;
  });
}

describe.each(durableStoreKinds)('what lives, by two stores on one database: $name', (kind) => {
  const stores = useStores(kind);

  it('is what a store says that is opened afterwards', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(transaction, { minLength: 1, maxLength: 4 }), { maxLength: 6 }),
        async (rounds) => {
          const place = await stores.newPlace();
          const [one, other] = [await place.open(), await place.open()];
          for (const transactions of rounds) {
            await whatLives(one);
            await Promise.all(transactions.map((each) => run(each.other ? other : one, each)));
          }
          const fresh = await place.open();
          const expected = await whatLives(fresh);
          expect(await whatLives(one)).toEqual(expected);
          expect(await whatLives(other)).toEqual(expected);
          await Promise.all([one, other, fresh].map((store) => store.close()));
        },
      ),
      // To make a database takes a server many times as long as the property does.
      { numRuns: kind.name === 'PostgreSQL' ? 3 : 15 },
    );
  });
});

describe.each(storeKinds)('transactions that wait together in $name', (kind) => {
  const stores = useStores(kind);

  it('fail alone', async () => {
    const store = await stores.empty();
    const put = (arn: string, fails: boolean): Promise<void> =>
      run(store, { steps: [{ kind: 'task', task: aTask({ taskArn: arn }) }], fails, other: false });
    await Promise.all(taskArns.map((arn, index) => put(arn, index % 3 === 1)));
    const kept = taskArns.filter((_, index) => index % 3 !== 1).toSorted();
    expect((await store.read((tx) => tx.tasks.all({ live: true }))).map(({ taskArn }) => taskArn)).toEqual(kept);
    expect((await store.read((tx) => tx.tasks.all({}))).map(({ taskArn }) => taskArn)).toEqual(kept);
  });

  it('show each other what came before, and nothing of one that failed', async () => {
    const store = await stores.empty();
    const [first = '', second = ''] = taskArns;
    const seen = await Promise.all([
      run(store, { steps: [{ kind: 'task', task: aTask({ taskArn: first }) }], fails: true, other: false }),
      run(store, { steps: [{ kind: 'task', task: aTask({ taskArn: second }) }], fails: false, other: false }),
      store.write((tx) => tx.tasks.getMany([first, second])),
    ]);
    expect(seen[2].map(({ taskArn }) => taskArn)).toEqual([second]);
  });
});

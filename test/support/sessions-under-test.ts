/** Real sessions over a store in memory and a manual clock, with what tests of them need at hand. */
import { aCluster } from './builders/a-cluster.ts';
import { aTask, type TaskOverrides } from './builders/a-task.ts';
import { aTaskDefinition } from './builders/a-task-definition.ts';
import { aHello, connectFakeAgent, type FakeAgent } from './fake-agent.ts';
import { ManualClock } from './manual-clock.ts';
import { createSessions, type Sessions } from '#control/sessions/sessions.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';
import { seededIds } from '#lib/ids.ts';
import type { Logger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import { defaultRealm } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Task } from '#model/task.ts';
import type { Hello } from '#protocol/session/messages.ts';

export const heartbeatIntervalMs = 10_000;

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A logger that remembers. */
export function recordingLogger(lines: LogLine[], context: object = {}): Logger {
  const record = (level: LogLine['level']) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: { ...context, ...fields } });
  return {
    debug: record('debug'),
    info: record('info'),
    warn: record('warn'),
    error: record('error'),
    child: (fields) => recordingLogger(lines, { ...context, ...fields }),
  };
}

export interface SessionsUnderTest {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly sessions: Sessions;
  readonly logLines: readonly LogLine[];
  /** While set, every write of the sessions fails with it before it begins. */
  storeFailure: Error | undefined;
  /** While set, writes of the sessions wait for it. */
  storeGate: Promise<void> | undefined;
  /** Says hello and waits for what follows. */
  connect(hello?: Partial<Hello>): Promise<FakeAgent>;
  /** Lets everything happen that takes no time. */
  settle(): Promise<void>;
  instance(): Promise<ContainerInstance>;
  instances(): Promise<ContainerInstance[]>;
  task(taskArn: string): Promise<Task>;
  /** Puts a task on the (only) instance under its next number, as placement does. */
  place(overrides?: TaskOverrides): Promise<Task>;
  /** Asks for a stop under the next number, as StopTask does. */
  requestStop(taskArn: string): Promise<void>;
  dispose(): Promise<void>;
}

export async function startSessions(): Promise<SessionsUnderTest> {
  const clock = new ManualClock();
  const store = await createSqliteStore({ path: ':memory:' });
  await store.write(async (tx) => {
    await tx.clusters.put(aCluster());
    await tx.taskDefinitions.put(aTaskDefinition());
  });
  const logLines: LogLine[] = [];
  const random = seededRandom(1);
  const sessions = createSessions({
    store: {
      ...store,
      async write(work) {
        if (test.storeFailure !== undefined) throw test.storeFailure;
        await test.storeGate;
        return store.write(work);
      },
    },
    clock,
    ids: seededIds(random),
    random,
    realm: defaultRealm,
    logger: recordingLogger(logLines),
    heartbeatIntervalMs,
  });

  async function settle(): Promise<void> {
    for (let round = 0; round < 4; round++) {
      await clock.advance(0);
      await sessions.idle();
    }
  }

  async function onlyInstance(): Promise<ContainerInstance> {
    const all = await test.instances();
    const [instance] = all;
    if (instance === undefined || all.length > 1) throw new Error(`expected one instance, found ${all.length}`);
    return instance;
  }

  const test: SessionsUnderTest = {
    clock,
    store,
    sessions,
    logLines,
    storeFailure: undefined,
    storeGate: undefined,
    async connect(hello = {}) {
      const agent = connectFakeAgent({ clock, sessions });
      agent.send(aHello(hello));
      await settle();
      return agent;
    },
    settle,
    instance: onlyInstance,
    instances: () => store.read((tx) => tx.containerInstances.list({})),
    async task(taskArn) {
      const task = await store.read((tx) => tx.tasks.get(taskArn));
      if (task === undefined) throw new Error(`no task ${taskArn}`);
      return task;
    },
    async place(overrides = {}) {
      const instance = await onlyInstance();
      const assignmentNumber = instance.assignmentNumber + 1;
      const task = aTask({
        containerInstanceArn: instance.containerInstanceArn,
        lastStatus: 'PENDING',
        assignmentNumber,
        ...overrides,
      });
      await store.write(async (tx) => {
        await tx.containerInstances.put({ ...instance, assignmentNumber });
        await tx.tasks.put(task);
      });
      await settle();
      return task;
    },
    async requestStop(taskArn) {
      const instance = await onlyInstance();
      const assignmentNumber = instance.assignmentNumber + 1;
      const task = await test.task(taskArn);
      await store.write(async (tx) => {
        await tx.containerInstances.put({ ...instance, assignmentNumber });
        await tx.tasks.put({
          ...task,
          desiredStatus: 'STOPPED',
          stopCode: 'UserInitiated',
          stoppedReason: 'asked for',
          assignmentNumber,
        });
      });
      await settle();
    },
    async dispose() {
      await sessions.stop();
      await clock.advance(0);
      await store.close();
    },
  };
  await sessions.start();
  return test;
}

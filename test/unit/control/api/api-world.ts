/** The ECS API over an in-memory store that has the cluster `default`, without HTTP: what each test of a resource talks to. */
import { ensureDefaultCluster } from '#control/api/clusters.ts';
import { createDispatcher } from '#control/api/dispatch.ts';
import type { ReleaseSource } from '#control/sessions/agent-updates.ts';
import type { ExecBroker } from '#control/sessions/exec-broker.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';
import { seededIds } from '#lib/ids.ts';
import type { Logger } from '#lib/logger.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import { defaultRealm } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Task } from '#model/task.ts';
import { aContainerInstance, type ContainerInstanceOverrides } from '#test/support/builders/a-container-instance.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

/** Where its callers reach it. */
export const origin = 'http://control.test:4566';

export const caller = { arn: 'arn:aws:iam::000000000000:user/admin', accessKeyId: 'AKIATEST' };

/** JSON that can be looked into without casts: a member that is not there is undefined. */
export interface Json {
  [member: string]: Json;
}

export interface Answer {
  status: number;
  body: Json;
}

export interface ApiWorld {
  readonly store: Store;
  readonly clock: ManualClock;
  /** The whole answer, as a client reads it. */
  ask(operation: string, body?: object): Promise<Answer>;
  /** The body of a successful answer; throws when it is an error. */
  call(operation: string, body?: object): Promise<Json>;
  /** The name and text of the error that the operation answers; throws when it succeeds. */
  refusal(operation: string, body?: object): Promise<{ type: Json | undefined; message: Json | undefined }>;
  /** Registers a machine, as its agent would. */
  instance(overrides?: ContainerInstanceOverrides): Promise<ContainerInstance>;
  /** Changes a task, as its agent would. */
  report(taskArn: Json | string | undefined, change: Partial<Task>): Promise<void>;
  /** Registers `family` with one container of 100 CPU units and 64 MiB. */
  definition(family?: string, body?: object): Promise<string>;
}

export async function apiWorld(
  options: { logger?: Logger; execs?: Pick<ExecBroker, 'grant'>; release?: ReleaseSource } = {},
): Promise<ApiWorld> {
  const clock = new ManualClock();
  const random = seededRandom(7);
  const ids = seededIds(random);
  const store = await createSqliteStore({ path: ':memory:' });
  const dependencies = { store, realm: defaultRealm, clock, ids, random };
  await ensureDefaultCluster(dependencies, caller.arn);
  const dispatcher = createDispatcher({
    ...dependencies,
    execs: options.execs ?? { grant: () => ({ sessionId: 'session-1', token: 'token-1' }) },
    release: options.release ?? (() => undefined),
    logger: options.logger ?? silentLogger,
  });

  async function ask(operation: string, body: object = {}): Promise<Answer> {
    const answer = await dispatcher.dispatch({ operation, body, principal: caller, origin, requestId: 'request-1' });
    return { status: answer.status, body: JSON.parse(JSON.stringify(answer.body)) };
  }

  async function call(operation: string, body: object = {}): Promise<Json> {
    const answer = await ask(operation, body);
    if (answer.status !== 200) throw new Error(`${operation} answered ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  return {
    store,
    clock,
    ask,
    call,
    async refusal(operation, body) {
      const answer = await ask(operation, body);
      if (answer.status === 200) throw new Error(`${operation} answered ${JSON.stringify(answer.body)}`);
      return { type: answer.body['__type'], message: answer.body['message'] };
    },
    async instance(overrides) {
      const instance = aContainerInstance(overrides);
      await store.write((tx) => tx.containerInstances.put(instance));
      return instance;
    },
    async report(taskArn, change) {
      await store.write(async (tx) => {
        const task = await tx.tasks.get(String(taskArn));
        if (task === undefined) throw new Error(`no task ${String(taskArn)}`);
        await tx.tasks.put({ ...task, ...change, version: task.version + 1 });
      });
    },
    async definition(family = 'web', body = {}) {
      const containerDefinitions = [{ name: 'main', image: 'busybox', cpu: 100, memory: 64 }];
      const answer = await call('RegisterTaskDefinition', { family, containerDefinitions, ...body });
      return String(answer['taskDefinition']?.['taskDefinitionArn']);
    },
  };
}

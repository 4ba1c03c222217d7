/** The HTTP side: what is refused before any handler sees it, and that no input makes a 5xx or changes anything. */
import { Sha256 } from '@aws-crypto/sha256-js';
import { HttpRequest } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';
import type { FastifyInstance } from 'fastify';
import { afterEach, describe, expect, test } from 'vitest';
import { ensureDefaultCluster } from '#control/api/clusters.ts';
import type { UtilisationSource } from '#control/sessions/telemetry.ts';
import type { LogSource } from '#control/api/logs.ts';
import { createApi, type ApiLimits } from '#control/api/server.ts';
import { defaultSchedulingRules } from '#control/deployments/snapshot.ts';
import { createExplainer } from '#control/reconciler/explainer.ts';
import { LogsError } from '#control/sessions/logs.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';
import { seededIds } from '#lib/ids.ts';
import { createLogger, silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import { createTrust } from '#control/trust/trust.ts';
import { defaultRealm } from '#model/arn.ts';
import { aTask } from '#test/support/builders/a-task.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const key = {
  accessKeyId: 'AKIATEST',
  secretAccessKey: 'secret',
  principalArn: 'arn:aws:iam::000000000000:user/admin',
};
const clock = new ManualClock();
const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

interface Server {
  app: FastifyInstance;
  store: Store;
  lines: string[];
  send(request: {
    target?: string;
    body?: string | Buffer;
    sign?: boolean;
    headers?: Record<string, string>;
  }): Promise<{ status: number; json: Record<string, unknown>; headers: object }>;
  get(path: string, query: Record<string, string>): Promise<{ status: number; text: string }>;
}

async function aServer(
  options: {
    limits?: Partial<ApiLimits>;
    logs?: LogSource;
    utilisation?: UtilisationSource;
    openBackup?: () => Promise<AsyncGenerator<string>>;
  } = {},
): Promise<Server> {
  const random = seededRandom(1);
  const lines: string[] = [];
  const store = await createSqliteStore({ path: ':memory:' });
  const dependencies = { store, realm: defaultRealm, clock, ids: seededIds(random), random };
  await ensureDefaultCluster(dependencies, key.principalArn);
  const app = createApi({
    ...dependencies,
    logger: createLogger({ name: 'test', stream: { write: (line) => void lines.push(line) } }),
    logs: options.logs ?? { openLogs: noLogs },
    explainer: createExplainer({ ...dependencies, rules: defaultSchedulingRules }),
    execs: { grant: () => ({ sessionId: 'session-1', token: 'token-1' }) },
    findKey: async (accessKeyId) => (accessKeyId === key.accessKeyId ? key : undefined),
    connectedAgents: () => 3,
    release: () => undefined,
    openBackup: options.openBackup ?? (() => Promise.reject(new Error('this server has no backup'))),
    utilisation: options.utilisation ?? { services: () => [], clusters: () => [] },
    distribution: { installer: () => undefined },
    trust: createTrust({ ...dependencies, home: '/nowhere', names: [], logger: silentLogger }),
    tls: () => undefined,
    revoked: () => undefined,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  open.push(app, store);

  async function signedHeaders(
    method: string,
    path: string,
    query: Record<string, string>,
    body: string | Buffer,
    headers: Record<string, string>,
  ) {
    const signer = new SignatureV4({ region: 'us-east-1', service: 'ecs', credentials: key, sha256: Sha256 });
    const request = new HttpRequest({ method, path, query, headers: { host: 'localhost', ...headers }, body });
    return (await signer.sign(request, { signingDate: clock.now() / 1000 })).headers;
  }

  return {
    app,
    store,
    lines,
    async send({ target = 'ListClusters', body = '{}', sign = true, headers = {} }) {
      const all = {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': `AmazonEC2ContainerServiceV20141113.${target}`,
        ...headers,
      };
      const sent = sign ? await signedHeaders('POST', '/', {}, body, all) : all;
      const answer = await app.inject({ method: 'POST', url: '/', headers: sent, payload: body });
      return { status: answer.statusCode, json: answer.json(), headers: answer.headers };
    },
    async get(path, query) {
      const headers = await signedHeaders('GET', path, query, '', {});
      const answer = await app.inject({ method: 'GET', url: path, query, headers });
      return { status: answer.statusCode, text: answer.body };
    },
  };
}

function noLogs(): AsyncIterable<never> {
  const error = new LogsError('agent-not-connected', 'the agent of the task is not connected');
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}

describe('an answer', () => {
  test('is AWS JSON with the request’s id, and one line in the log', async () => {
    const server = await aServer();
    const answer = await server.send({});
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({ clusterArns: ['arn:aws:ecs:us-east-1:000000000000:cluster/default'] });
    expect(answer.headers).toMatchObject({ 'content-type': 'application/x-amz-json-1.1' });
    expect(server.lines).toHaveLength(1);
    expect(JSON.parse(server.lines[0] ?? '')).toMatchObject({
      msg: 'API request',
      operation: 'ListClusters',
      status: 200,
      code: 'OK',
    });
    expect(answer.headers).toHaveProperty('x-amzn-requestid');
  });

  test('to an empty body is that to an empty request', async () => {
    expect((await (await aServer()).send({ body: '' })).status).toBe(200);
  });
});

describe('refused over HTTP', () => {
  const deep = '['.repeat(500) + ']'.repeat(500);
  test.each([
    [
      'an unsigned request',
      { sign: false },
      400,
      'MissingAuthenticationTokenException',
      'Missing Authentication Token',
    ],
    ['malformed JSON', { body: '{"cluster":' }, 400, 'SerializationException', 'The request body is not valid JSON.'],
    ['JSON that is no object', { body: '[]' }, 400, 'SerializationException', 'Start of list found where not expected'],
    [
      'bytes that are no UTF-8',
      { body: Buffer.from([0x22, 0xff, 0xfe, 0x22]) },
      400,
      'SerializationException',
      'The request body is not valid JSON.',
    ],
    [
      'JSON without end',
      { body: `{"clusters":${deep}}`, target: 'DescribeClusters' },
      400,
      'SerializationException',
      'nested deeper',
    ],
    [
      'an unknown operation',
      { target: 'MakeCoffee' },
      400,
      'UnknownOperationException',
      'Unknown operation: MakeCoffee',
    ],
    [
      'an operation that is not built',
      { target: 'CreateDaemon' },
      400,
      'UnsupportedFeatureException',
      'The operation CreateDaemon is not supported yet.',
    ],
    [
      'an agent’s operation',
      { target: 'RegisterContainerInstance' },
      400,
      'UnsupportedFeatureException',
      'RegisterContainerInstance',
    ],
    [
      'another service’s target',
      { headers: { 'x-amz-target': 'DynamoDB_20120810.ListTables' } },
      400,
      'UnknownOperationException',
      'DynamoDB_20120810.ListTables',
    ],
    ['names of the language', { target: 'constructor' }, 400, 'UnknownOperationException', 'constructor'],
    [
      'a body of 10 MB',
      { body: `{"family":"${'x'.repeat(10_000_000)}"}` },
      413,
      'RequestEntityTooLargeException',
      '1048576 bytes',
    ],
  ])('%s', async (_what, request, status, type, message) => {
    const server = await aServer();
    const before = await state(server.store);
    const answer = await server.send(request);
    expect(answer.status).toBe(status);
    expect(answer.json['__type']).toBe(type);
    expect(answer.json['message']).toContain(message);
    expect(await state(server.store)).toEqual(before);
  });

  test('a body of 10 MB that is still being sent: the answer reaches its sender', async () => {
    const { app } = await aServer();
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    const answer = await fetch(url, { method: 'POST', body: 'x'.repeat(10_000_000) });
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({ __type: 'RequestEntityTooLargeException' });
  });

  async function state(store: Store): Promise<unknown> {
    return store.read(async (tx) => [
      await tx.clusters.list({}, { limit: 100 }),
      await tx.taskDefinitions.families({ status: 'ALL' }, { limit: 100 }),
    ]);
  }

  test('a caller that asks too much, and only that one', async () => {
    const server = await aServer({ limits: { rate: { burst: 2, perSecond: 1 } } });
    await server.send({});
    await server.send({});
    expect((await server.send({})).json).toEqual({ __type: 'ThrottlingException', message: 'Rate exceeded' });
    await clock.advance(1000);
    expect((await server.send({})).status).toBe(200);
  });

  test('more requests at once than there is room for', async () => {
    const server = await aServer({ limits: { requestsInFlight: 0 } });
    expect((await server.send({})).json['__type']).toBe('ThrottlingException');
  });

  test('an unknown path', async () => {
    const answer = await (await aServer()).app.inject({ method: 'GET', url: '/nothing' });
    expect(answer.statusCode).toBe(404);
  });
});

describe('a fault of our own', () => {
  test('is told by its request id alone and logged in full', async () => {
    const server = await aServer();
    await server.store.close();
    open.length = 0;
    const answer = await server.send({});
    expect(answer.status).toBe(500);
    expect(answer.json['__type']).toBe('ServerException');
    expect(answer.json['message']).toMatch(
      /^Service Unavailable\. Please try again later\. \(request id [0-9a-f-]{36}\)$/,
    );
    expect(server.lines.join('')).toContain('API request failed inside');
    expect((await server.app.inject({ method: 'GET', url: '/readyz' })).statusCode).toBe(503);
    expect((await server.app.inject({ method: 'GET', url: '/healthz' })).statusCode).toBe(200);
    await server.app.close();
  });
});

describe('watching over the service', () => {
  test('it is healthy and ready', async () => {
    const { app } = await aServer();
    expect((await app.inject('/healthz')).json()).toEqual({ status: 'ok' });
    expect((await app.inject('/readyz')).json()).toEqual({ status: 'ready' });
  });

  test('metrics count requests, agents and tasks, under a bounded number of names', async () => {
    const server = await aServer();
    await server.store.write((tx) => tx.tasks.putMany([aTask(), aTask({ lastStatus: 'PENDING' }), aTask()]));
    await server.send({});
    await server.send({ target: 'MakeCoffee' });
    const text = (await server.app.inject('/metrics')).body;
    expect(text).toContain('berth_api_requests_total{operation="ListClusters",code="OK"} 1');
    expect(text).toContain('berth_api_requests_total{operation="unknown",code="UnknownOperationException"} 1');
    expect(text).toContain('berth_agents_connected 3');
    expect(text).toContain('berth_tasks{status="RUNNING"} 2');
    expect(text).toContain('berth_tasks{status="PENDING"} 1');
  });

  test('metrics tell what services and clusters use, as long as somebody reports it', async () => {
    const cpu = { average: 0.25, minimum: 0, maximum: 1 };
    let services = [{ clusterName: 'default', serviceName: 'web', sources: 2, cpu, ageMs: 5000 }];
    const server = await aServer({ utilisation: { services: () => services, clusters: () => [] } });
    const text = async () => (await server.app.inject('/metrics')).body;
    expect(await text()).toContain('berth_service_cpu_utilization_ratio{cluster="default",service="web"} 0.25');
    expect(await text()).toContain('berth_service_telemetry_age_seconds{cluster="default",service="web"} 5');
    expect(await text()).not.toContain('berth_service_memory_utilization_ratio{');
    services = [];
    expect(await text()).not.toContain('service="web"');
  });
});

describe('logs of a container', () => {
  const task = aTask();

  test('come line by line and end with a last line', async () => {
    const asked: object[] = [];
    const logs: LogSource = {
      async *openLogs({ signal: _signal, ...request }) {
        asked.push(request);
        yield { stream: 'stdout', at: 1, text: 'a\n' };
        yield { stream: 'stderr', at: 2, text: 'b\n' };
      },
    };
    const server = await aServer({ logs });
    await server.store.write((tx) => tx.tasks.put(task));
    const answer = await server.get('/berth/v1/logs', { task: task.taskArn, tail: '5', since: '2026-01-01T00:00:00Z' });
    expect(answer.text.split('\n')).toEqual([
      '{"stream":"stdout","at":1,"text":"a\\n"}',
      '{"stream":"stderr","at":2,"text":"b\\n"}',
      '{"ended":{}}',
      '',
    ]);
    expect(asked).toEqual([
      { taskArn: task.taskArn, container: 'main', follow: false, tail: 5, sinceMs: 1_767_225_600_000 },
    ]);
  });

  test('that cannot be had end with the reason', async () => {
    const server = await aServer();
    await server.store.write((tx) => tx.tasks.put(task));
    const answer = await server.get('/berth/v1/logs', { task: task.taskArn, follow: 'true' });
    expect(answer.text).toBe('{"ended":{"error":"the agent of the task is not connected"}}\n');
  });

  test.each([
    [{ task: 'nothing' }, 'The referenced task was not found.'],
    [{ task: task.taskArn, tail: 'all' }, 'tail: expected a number of lines'],
    [{ task: task.taskArn, colour: 'red' }, 'query'],
    [{}, 'task'],
  ])('are refused for %j', async (query, message) => {
    const server = await aServer();
    await server.store.write((tx) => tx.tasks.put(task));
    const answer = await server.get('/berth/v1/logs', query);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text).message).toContain(message);
  });

  test('are for those who sign only', async () => {
    const { app } = await aServer();
    const answer = await app.inject(`/berth/v1/logs?task=${task.taskArn}`);
    expect(answer.json()).toMatchObject({ __type: 'MissingAuthenticationTokenException' });
  });

  test('that are followed end when the service closes', async () => {
    const begun = Promise.withResolvers<void>();
    const logs: LogSource = {
      async *openLogs({ signal }) {
        yield { stream: 'stdout', at: 1, text: 'a' };
        begun.resolve();
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      },
    };
    const server = await aServer({ logs });
    await server.store.write((tx) => tx.tasks.put(task));
    const answer = server.get('/berth/v1/logs', { task: task.taskArn, follow: 'true' });
    await begun.promise;
    await server.app.close();
    expect((await answer).text).toBe('{"stream":"stdout","at":1,"text":"a"}\n{"ended":{}}\n');
  });
});

describe('why', () => {
  test('is answered to a signed request', async () => {
    const server = await aServer();
    const task = aTask();
    await server.store.write((tx) => tx.tasks.put(task));
    const answer = await server.get('/berth/v1/why', { subject: task.taskArn });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ kind: 'task', arn: task.taskArn, status: 'RUNNING' });
  });

  test('is refused without a signature, and for what is not there', async () => {
    const server = await aServer();
    const unsigned = await server.app.inject({ method: 'GET', url: '/berth/v1/why?subject=web' });
    expect(unsigned.json()).toMatchObject({ __type: 'MissingAuthenticationTokenException' });
    const answer = await server.get('/berth/v1/why', { subject: 'web' });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toEqual({
      __type: 'ResourceNotFoundException',
      message: 'No service, task or container instance of the cluster default is called web.',
    });
  });
});

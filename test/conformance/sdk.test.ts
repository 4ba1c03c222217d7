/** The stock JavaScript SDK against a running control service: types, error classes, paginators and waiters. */
import {
  ClientException,
  ClusterNotFoundException,
  ConflictException,
  ContinueServiceDeploymentCommand,
  CreateCapacityProviderCommand,
  CreateClusterCommand,
  CreateServiceCommand,
  DeleteCapacityProviderCommand,
  DeleteServiceCommand,
  DescribeCapacityProvidersCommand,
  DescribeClustersCommand,
  DescribeContainerInstancesCommand,
  DescribeServiceDeploymentsCommand,
  DescribeServiceRevisionsCommand,
  DescribeServicesCommand,
  DescribeTasksCommand,
  ECSClient,
  GetTaskProtectionCommand,
  InvalidParameterException,
  ListClustersCommand,
  ListContainerInstancesCommand,
  ListServiceDeploymentsCommand,
  ListTasksCommand,
  paginateListTaskDefinitions,
  paginateListTasks,
  PutAttributesCommand,
  PutClusterCapacityProvidersCommand,
  RegisterTaskDefinitionCommand,
  ResourceInUseException,
  RunTaskCommand,
  type RunTaskCommandInput,
  ServiceDeploymentNotFoundException,
  ServiceNotFoundException,
  StopServiceDeploymentCommand,
  StopTaskCommand,
  UpdateServiceCommand,
  UpdateTaskProtectionCommand,
  waitUntilServicesInactive,
  waitUntilServicesStable,
  waitUntilTasksRunning,
  waitUntilTasksStopped,
} from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCell, type Cell } from './cell.ts';

let cell: Cell;
let client: ECSClient;

beforeAll(async () => {
  cell = await startCell();
  client = cell.client;
});

afterAll(() => cell.close());

/** The SDK's waiters begin at 6 and 15 seconds otherwise. */
function patiently() {
  return { client, maxWaitTime: 30, minDelay: 1, maxDelay: 1 };
}

async function register(family: string): Promise<string> {
  const { taskDefinition } = await client.send(
    new RegisterTaskDefinitionCommand({
      family,
      containerDefinitions: [{ name: 'main', image: 'busybox', cpu: 10, memory: 16 }],
    }),
  );
  return taskDefinition?.taskDefinitionArn ?? '';
}

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('there was no error');
}

describe('tasks', () => {
  test('run, are waited for, stop, and are waited for', async () => {
    await register('sdk-task');
    const ran = await client.send(new RunTaskCommand({ taskDefinition: 'sdk-task', count: 2 }));
    expect(ran.failures).toEqual([]);
    const tasks = (ran.tasks ?? []).map((task) => task.taskArn ?? '');
    expect(tasks).toHaveLength(2);
    await waitUntilTasksRunning(patiently(), { tasks });
    const running = await client.send(new DescribeTasksCommand({ tasks }));
    expect(running.tasks?.[0]?.startedAt).toBeInstanceOf(Date);
    expect(running.tasks?.[0]?.containers).toMatchObject([{ name: 'main', lastStatus: 'RUNNING' }]);
    for (const task of tasks) await client.send(new StopTaskCommand({ task, reason: 'the test is over' }));
    await waitUntilTasksStopped(patiently(), { tasks });
    const stopped = await client.send(new DescribeTasksCommand({ tasks }));
    expect(stopped.tasks?.[0]).toMatchObject({ stopCode: 'UserInitiated', stoppedReason: 'the test is over' });
    expect(stopped.tasks?.[0]?.containers?.[0]?.exitCode).toBe(0);
  });

  test('are listed page by page', async () => {
    await register('sdk-pages');
    for (const count of [10, 7]) await client.send(new RunTaskCommand({ taskDefinition: 'sdk-pages', count }));
    const pages: number[] = [];
    for await (const page of paginateListTasks({ client, pageSize: 6 }, { family: 'sdk-pages' })) {
      pages.push(page.taskArns?.length ?? 0);
    }
    expect(pages).toEqual([6, 6, 5]);
  });
});

describe('a service', () => {
  test('becomes stable, rolls, scales and goes', async () => {
    const first = await register('sdk-service');
    const service = 'sdk-service';
    await client.send(new CreateServiceCommand({ serviceName: service, taskDefinition: first, desiredCount: 3 }));
    await waitUntilServicesStable(patiently(), { services: [service] });
    const second = await register('sdk-service');
    await client.send(new UpdateServiceCommand({ service, taskDefinition: second, desiredCount: 4 }));
    await waitUntilServicesStable(patiently(), { services: [service] });
    const described = await client.send(new DescribeServicesCommand({ services: [service] }));
    expect(described.services).toMatchObject([
      { runningCount: 4, taskDefinition: second, deployments: [{ status: 'PRIMARY', taskDefinition: second }] },
    ]);
    expect(described.services?.[0]?.events?.[0]?.createdAt).toBeInstanceOf(Date);
    await client.send(new DeleteServiceCommand({ service, force: true }));
    await waitUntilServicesInactive(patiently(), { services: [service] });
  });
});

describe('task protection', () => {
  test('holds up a scale-in until it is taken back', async () => {
    const service = 'protected';
    const cluster = 'default';
    const taskDefinition = await register(service);
    await client.send(new CreateServiceCommand({ serviceName: service, taskDefinition, desiredCount: 1 }));
    await waitUntilServicesStable(patiently(), { services: [service] });
    const { taskArns: tasks = [] } = await client.send(new ListTasksCommand({ serviceName: service }));
    const enable = { cluster, tasks: [...tasks, 'nothing'], protectionEnabled: true, expiresInMinutes: 10 };
    const { protectedTasks, failures } = await client.send(new UpdateTaskProtectionCommand(enable));
    expect(protectedTasks).toEqual([{ taskArn: tasks[0], protectionEnabled: true, expirationDate: expect.any(Date) }]);
    expect(failures).toMatchObject([{ reason: 'MISSING' }]);
    await client.send(new UpdateServiceCommand({ service, desiredCount: 0 }));
    expect(await client.send(new GetTaskProtectionCommand({ cluster, tasks }))).toMatchObject({ protectedTasks });
    const { services } = await client.send(new DescribeServicesCommand({ services: [service] }));
    expect(services).toMatchObject([{ desiredCount: 0, runningCount: 1 }]);
    await client.send(new UpdateTaskProtectionCommand({ cluster, tasks, protectionEnabled: false }));
    await waitUntilTasksStopped(patiently(), { tasks });
    await client.send(new DeleteServiceCommand({ service }));
  });
});

describe('capacity providers', () => {
  test('are made, given to a cluster, share tasks out, and go', async () => {
    const { containerInstanceArns: [first = '', second = ''] = [] } = await client.send(
      new ListContainerInstancesCommand({}),
    );
    const name = 'berth.instance-group';
    await client.send(
      new PutAttributesCommand({
        attributes: [
          { name, value: 'rack-1', targetId: first },
          { name, value: 'rack-2', targetId: second },
        ],
      }),
    );
    for (const [provider, rack] of [
      ['sdk-blue', 'rack-1'],
      ['sdk-green', 'rack-2'],
    ] as const) {
      const autoScalingGroupArn = `arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:0:autoScalingGroupName/${rack}`;
      const made = await client.send(
        new CreateCapacityProviderCommand({ name: provider, autoScalingGroupProvider: { autoScalingGroupArn } }),
      );
      expect(made.capacityProvider).toMatchObject({ status: 'ACTIVE', type: 'EC2_AUTOSCALING' });
    }
    const first3 = await client.send(new DescribeCapacityProvidersCommand({ maxResults: 3 }));
    const { nextToken } = first3;
    const rest = await client.send(new DescribeCapacityProvidersCommand({ maxResults: 3, nextToken }));
    const all = [...(first3.capacityProviders ?? []), ...(rest.capacityProviders ?? [])];
    expect(all.map((provider) => provider.name)).toEqual(['FARGATE', 'FARGATE_SPOT', 'sdk-blue', 'sdk-green']);

    const strategy = [
      { capacityProvider: 'sdk-blue', weight: 1, base: 1 },
      { capacityProvider: 'sdk-green', weight: 3 },
    ];
    const put = (capacityProviders: string[], defaultCapacityProviderStrategy = strategy) =>
      client.send(
        new PutClusterCapacityProvidersCommand({
          cluster: 'default',
          capacityProviders,
          defaultCapacityProviderStrategy,
        }),
      );
    await put(['sdk-blue', 'sdk-green']);
    const described = await client.send(new DescribeContainerInstancesCommand({ containerInstances: [first, second] }));
    expect(described.containerInstances).toMatchObject([
      { capacityProviderName: 'sdk-blue' },
      { capacityProviderName: 'sdk-green' },
    ]);
    await register('sdk-capacity');
    const ran = await client.send(new RunTaskCommand({ taskDefinition: 'sdk-capacity', count: 5 }));
    expect(ran.tasks?.map((task) => task.capacityProviderName)).toEqual([
      'sdk-blue',
      'sdk-blue',
      'sdk-green',
      'sdk-green',
      'sdk-green',
    ]);
    const tasks = (ran.tasks ?? []).map((task) => task.taskArn ?? '');
    expect(await errorOf(put([], []))).toBeInstanceOf(ResourceInUseException);
    for (const task of tasks) await client.send(new StopTaskCommand({ task }));
    await waitUntilTasksStopped(patiently(), { tasks });
    await put([], []);
    for (const capacityProvider of ['sdk-blue', 'sdk-green']) {
      await client.send(new DeleteCapacityProviderCommand({ capacityProvider }));
    }
    const gone = await client.send(new DescribeCapacityProvidersCommand({ capacityProviders: ['sdk-blue'] }));
    expect(gone.failures).toMatchObject([{ reason: 'MISSING' }]);
  });

  test('let a task wait for room, and its end is told', async () => {
    await client.send(
      new RegisterTaskDefinitionCommand({
        family: 'sdk-huge',
        containerDefinitions: [{ name: 'main', image: 'busybox', memory: 999_999 }],
      }),
    );
    const tags = [{ key: 'berth:wait-for-capacity', value: '2s' }];
    const { tasks: waiting = [], failures } = await client.send(
      new RunTaskCommand({ taskDefinition: 'sdk-huge', tags }),
    );
    expect(failures).toEqual([]);
    expect(waiting).toMatchObject([{ lastStatus: 'PROVISIONING', desiredStatus: 'RUNNING' }]);
    const tasks = waiting.map((task) => task.taskArn ?? '');
    await waitUntilTasksStopped(patiently(), { tasks });
    const stopped = await client.send(new DescribeTasksCommand({ tasks }));
    expect(stopped.tasks).toMatchObject([
      { stopCode: 'TaskFailedToStart', stoppedReason: expect.stringContaining('has insufficient memory available') },
    ]);
  });
});

describe('clusters and instances', () => {
  test('are described', async () => {
    await client.send(new CreateClusterCommand({ clusterName: 'sdk', tags: [{ key: 'a', value: 'b' }] }));
    const { clusters } = await client.send(
      new DescribeClustersCommand({ clusters: ['sdk', 'default'], include: ['TAGS'] }),
    );
    expect(clusters).toMatchObject([{ tags: [{ key: 'a', value: 'b' }] }, { registeredContainerInstancesCount: 2 }]);
    const { containerInstanceArns } = await client.send(
      new ListContainerInstancesCommand({ filter: 'agentConnected == true' }),
    );
    expect(containerInstanceArns).toHaveLength(2);
    const described = await client.send(
      new DescribeContainerInstancesCommand({ containerInstances: containerInstanceArns }),
    );
    expect(described.containerInstances?.[0]).toMatchObject({ status: 'ACTIVE', agentConnected: true });
    expect(described.containerInstances?.[0]?.registeredAt).toBeInstanceOf(Date);
  });

  test('definitions are listed page by page in the order asked for', async () => {
    const arns: string[] = [];
    for (let made = 0; made < 5; made += 1) arns.push(await register('sdk-list'));
    const listed: string[] = [];
    const pages = paginateListTaskDefinitions({ client, pageSize: 2 }, { familyPrefix: 'sdk-list', sort: 'DESC' });
    for await (const page of pages) listed.push(...(page.taskDefinitionArns ?? []));
    expect(listed).toEqual(arns.toReversed());
  });
});

describe('errors are of the SDK’s own classes', () => {
  const run = (input: RunTaskCommandInput): Promise<unknown> => client.send(new RunTaskCommand(input));

  test.each([
    ['an unknown cluster', () => run({ cluster: 'nowhere', taskDefinition: 'x' }), ClusterNotFoundException],
    ['an unknown definition', () => run({ taskDefinition: 'nothing' }), ClientException],
    ['a name that is none', () => run({ taskDefinition: 'a b' }), InvalidParameterException],
    [
      'an unknown service',
      () => client.send(new UpdateServiceCommand({ service: 'nothing' })),
      ServiceNotFoundException,
    ],
  ])('%s', async (_what, ask, kind) => {
    const error = await errorOf(ask());
    expect(error).toBeInstanceOf(kind);
    expect(error).toHaveProperty('$metadata.requestId', expect.stringMatching(/^[0-9a-f-]{36}$/));
  });

  test('a client token used for something else', async () => {
    await register('sdk-token');
    await client.send(new RunTaskCommand({ taskDefinition: 'sdk-token', clientToken: 'once' }));
    const error = await errorOf(
      client.send(new RunTaskCommand({ taskDefinition: 'sdk-token', clientToken: 'once', count: 2 })),
    );
    expect(error).toBeInstanceOf(ConflictException);
    expect(error).toHaveProperty('resourceIds', [expect.stringContaining(':task/default/')]);
  });

  test('a wrong secret and an unknown key', async () => {
    const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = cell.environment;
    const names: string[] = [];
    for (const credentials of [
      { accessKeyId, secretAccessKey: 'wrong' },
      { accessKeyId: 'AKIANOBODY', secretAccessKey },
    ]) {
      const stranger = new ECSClient({ region: 'us-east-1', endpoint: cell.url, credentials });
      const error = await errorOf(stranger.send(new ListClustersCommand({})));
      names.push(error instanceof Error ? error.name : '');
      stranger.destroy();
    }
    expect(names).toEqual(['InvalidSignatureException', 'UnrecognizedClientException']);
  });
});

describe('the history of a service', () => {
  const service = 'sdk-history';

  test('lists, describes, stops and rolls back', async () => {
    const first = await register(service);
    await client.send(new CreateServiceCommand({ serviceName: service, taskDefinition: first, desiredCount: 2 }));
    await waitUntilServicesStable(patiently(), { services: [service] });
    const since = new Date();
    const { taskDefinition } = await client.send(
      new RegisterTaskDefinitionCommand({
        family: service,
        containerDefinitions: [{ name: 'main', image: 'busybox', cpu: 10, memory: 1_000_000 }],
      }),
    );
    const tooLarge = taskDefinition?.taskDefinitionArn;
    const updated = await client.send(new UpdateServiceCommand({ service, taskDefinition: tooLarge }));
    const serviceDeploymentArn = updated.service?.currentServiceDeployment ?? '';
    expect(updated.service?.currentServiceRevisions?.[0]).toMatchObject({ requestedTaskCount: 2, runningTaskCount: 0 });

    const listed = await client.send(
      new ListServiceDeploymentsCommand({
        service,
        status: ['PENDING', 'IN_PROGRESS'],
        createdAt: { after: since, before: new Date(since.getTime() + 60_000) },
      }),
    );
    expect(listed.serviceDeployments).toMatchObject([{ serviceDeploymentArn }]);
    expect(listed.serviceDeployments?.[0]?.createdAt).toBeInstanceOf(Date);
    const described = await client.send(
      new DescribeServiceDeploymentsCommand({
        serviceDeploymentArns: [serviceDeploymentArn, `${serviceDeploymentArn}0`],
      }),
    );
    expect(described.failures).toMatchObject([{ reason: 'MISSING' }]);
    const { targetServiceRevision, sourceServiceRevisions = [] } = described.serviceDeployments?.[0] ?? {};
    expect(sourceServiceRevisions).toMatchObject([{ runningTaskCount: 2 }]);
    const { serviceRevisions } = await client.send(
      new DescribeServiceRevisionsCommand({ serviceRevisionArns: [targetServiceRevision?.arn ?? ''] }),
    );
    expect(serviceRevisions).toMatchObject([
      { taskDefinition: tooLarge, containerImages: [{ containerName: 'main', image: 'busybox' }] },
    ]);

    await client.send(new StopServiceDeploymentCommand({ serviceDeploymentArn, stopType: 'ROLLBACK' }));
    await expect
      .poll(
        async () => {
          const answer = await client.send(
            new DescribeServiceDeploymentsCommand({ serviceDeploymentArns: [serviceDeploymentArn] }),
          );
          return answer.serviceDeployments?.[0]?.status;
        },
        { timeout: 20_000 },
      )
      .toBe('ROLLBACK_SUCCESSFUL');
    const after = await client.send(new DescribeServicesCommand({ services: [service] }));
    expect(after.services).toMatchObject([{ taskDefinition: first, runningCount: 2 }]);
    expect(await errorOf(client.send(new StopServiceDeploymentCommand({ serviceDeploymentArn })))).toBeInstanceOf(
      ConflictException,
    );
    const unknown = { serviceDeploymentArn: `${serviceDeploymentArn}0`, hookId: 'hook' };
    expect(await errorOf(client.send(new ContinueServiceDeploymentCommand(unknown)))).toBeInstanceOf(
      ServiceDeploymentNotFoundException,
    );
    await client.send(new DeleteServiceCommand({ service, force: true }));
  });
});

/** Capacity provider strategies of tasks, services and task sets through the API. */
import { describe, expect, test } from 'vitest';
import { apiWorld } from './api-world.ts';
import { arnOf, associate, provide, worldOfTwoGroups } from './capacity-world.ts';

describe('RunTask with a strategy', () => {
  test('shares the tasks out, and each says where it belongs', async () => {
    const { world, a, b } = await worldOfTwoGroups();
    const { tasks } = await world.call('RunTask', {
      taskDefinition: 'web',
      count: 5,
      capacityProviderStrategy: [
        { capacityProvider: 'blue', weight: 1, base: 1 },
        { capacityProvider: 'green', weight: 3 },
      ],
    });
    const places = [0, 1, 2, 3, 4].map((at) => [
      tasks?.[at]?.['capacityProviderName'],
      tasks?.[at]?.['containerInstanceArn'],
    ]);
    expect(places).toEqual([
      ...Array.from({ length: 2 }, () => ['blue', a.containerInstanceArn]),
      ...Array.from({ length: 3 }, () => ['green', b.containerInstanceArn]),
    ]);
    expect(tasks?.[0]?.['launchType']).toBe('EC2');
  });

  test('is the cluster’s default for what says nothing, and not for what says a launch type', async () => {
    const { world, b } = await worldOfTwoGroups();
    await associate(world, ['blue', 'green'], [{ capacityProvider: 'green', weight: 1 }]);
    const { tasks } = await world.call('RunTask', { taskDefinition: 'web', count: 2 });
    expect(tasks).toMatchObject(Array.from({ length: 2 }, () => ({ containerInstanceArn: b.containerInstanceArn })));
    const plain = await world.call('RunTask', { taskDefinition: 'web', launchType: 'EC2' });
    expect(plain['tasks']?.[0]?.['capacityProviderName']).toBeUndefined();
  });

  test('tells of a provider without instances', async () => {
    const { world } = await worldOfTwoGroups();
    await provide(world, 'red');
    await associate(world, ['blue', 'green', 'red']);
    const { tasks, failures } = await world.call('RunTask', {
      taskDefinition: 'web',
      capacityProviderStrategy: [{ capacityProvider: 'red', weight: 1 }],
    });
    expect(tasks).toEqual([]);
    expect(failures).toMatchObject([{ arn: arnOf('red'), reason: 'EMPTY_CAPACITY' }]);
  });

  test('on FARGATE takes any instance that can run it', async () => {
    const world = await apiWorld();
    await world.instance();
    const able = await world.instance({
      agentAttributes: [
        { name: 'berth.capability.fargate' },
        { name: 'ecs.capability.task-eni' },
        { name: 'com.amazonaws.ecs.capability.docker-remote-api.1.18' },
        { name: 'ecs.capability.task-cpu-mem-limit' },
      ],
    });
    await world.definition('vpc', {
      networkMode: 'awsvpc',
      cpu: '256',
      memory: '512',
      requiresCompatibilities: ['FARGATE'],
    });
    await associate(world, ['FARGATE', 'FARGATE_SPOT']);
    const { tasks, failures } = await world.call('RunTask', {
      taskDefinition: 'vpc',
      count: 2,
      networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1'] } },
      capacityProviderStrategy: [
        { capacityProvider: 'FARGATE', weight: 1 },
        { capacityProvider: 'FARGATE_SPOT', weight: 1 },
      ],
    });
    expect(failures).toEqual([]);
    expect(tasks).toMatchObject([
      { capacityProviderName: 'FARGATE', launchType: 'FARGATE', containerInstanceArn: able.containerInstanceArn },
      { capacityProviderName: 'FARGATE_SPOT', launchType: 'FARGATE' },
    ]);
  });

  test.each([
    [
      'a launch type beside it',
      { launchType: 'EC2', capacityProviderStrategy: [{ capacityProvider: 'blue', weight: 1 }] },
      'Specifying both a launch type and capacity provider strategy is not supported.',
    ],
    [
      'a provider that the cluster does not have',
      { capacityProviderStrategy: [{ capacityProvider: 'red', weight: 1 }] },
      'not associated with the cluster',
    ],
    [
      'FARGATE, which the cluster does not have',
      { capacityProviderStrategy: [{ capacityProvider: 'FARGATE', weight: 1 }] },
      'not associated with the cluster',
    ],
    [
      'two bases',
      {
        capacityProviderStrategy: [
          { capacityProvider: 'blue', weight: 1, base: 1 },
          { capacityProvider: 'green', weight: 1, base: 1 },
        ],
      },
      'Only one capacity provider',
    ],
    [
      'no weight at all',
      { capacityProviderStrategy: [{ capacityProvider: 'blue' }, { capacityProvider: 'green' }] },
      'weight greater than 0',
    ],
    [
      'a weight beyond 1000',
      { capacityProviderStrategy: [{ capacityProvider: 'blue', weight: 1001 }] },
      'capacityProviderStrategy[0].weight: expected a whole number from 0 to 1000, got 1001',
    ],
    [
      'more than twenty items',
      { capacityProviderStrategy: Array.from({ length: 21 }, () => ({ capacityProvider: 'blue', weight: 1 })) },
      'expected at most 20 items',
    ],
  ])('refuses %s and starts nothing', async (_what, change, message) => {
    const { world } = await worldOfTwoGroups();
    const refusal = await world.refusal('RunTask', { taskDefinition: 'web', ...change });
    expect(refusal.type).toBe('InvalidParameterException');
    expect(refusal.message).toContain(message);
    expect((await world.call('ListTasks'))['taskArns']).toEqual([]);
  });
});

describe('a service with a strategy', () => {
  const strategy = [{ capacityProvider: 'blue', weight: 1, base: 0 }];

  async function worldWithService() {
    const { world } = await worldOfTwoGroups();
    const { service } = await world.call('CreateService', {
      serviceName: 'web',
      taskDefinition: 'web',
      desiredCount: 2,
      capacityProviderStrategy: strategy,
    });
    return { world, service };
  }

  test('shows it in place of the launch type, its deployment too', async () => {
    const { service } = await worldWithService();
    expect(service).toMatchObject({ capacityProviderStrategy: strategy });
    expect(service?.['deployments']?.[0]).toMatchObject({ capacityProviderStrategy: strategy });
    expect(service?.['launchType']).toBeUndefined();
    expect(service?.['deployments']?.[0]?.['launchType']).toBeUndefined();
  });

  test('changes it without a new deployment', async () => {
    const { world, service } = await worldWithService();
    const changed = await world.call('UpdateService', {
      service: 'web',
      capacityProviderStrategy: [{ capacityProvider: 'green', weight: 2 }],
    });
    const after = changed['service'];
    expect(after).toMatchObject({
      capacityProviderStrategy: [{ capacityProvider: 'green', weight: 2, base: 0 }],
      deployments: [{ id: service?.['deployments']?.[0]?.['id'], capacityProviderStrategy: [{ weight: 2 }] }],
    });
    const back = await world.call('UpdateService', { service: 'web', capacityProviderStrategy: [] });
    expect(back['service']).toMatchObject({ launchType: 'EC2', deployments: [{ launchType: 'EC2' }] });
    expect(back['service']?.['capacityProviderStrategy']).toBeUndefined();
  });

  test('has to force a deployment to change its kind', async () => {
    const { world } = await worldWithService();
    await associate(world, ['blue', 'green', 'FARGATE']);
    const change = { service: 'web', capacityProviderStrategy: [{ capacityProvider: 'FARGATE', weight: 1 }] };
    expect((await world.refusal('UpdateService', change)).message).toContain('you must force a new deployment');
    expect((await world.refusal('UpdateService', { ...change, forceNewDeployment: true })).message).toContain(
      'does not support launch_type FARGATE',
    );
  });

  test('leaves a deployment that is overtaken what it had', async () => {
    const { world } = await worldWithService();
    const { service } = await world.call('UpdateService', {
      service: 'web',
      capacityProviderStrategy: [{ capacityProvider: 'green', weight: 1 }],
      forceNewDeployment: true,
    });
    expect(service?.['deployments']).toMatchObject([
      { status: 'PRIMARY', capacityProviderStrategy: [{ capacityProvider: 'green' }] },
      { status: 'ACTIVE', capacityProviderStrategy: [{ capacityProvider: 'blue' }] },
    ]);
  });

  test('is refused to daemons, and they do not take the cluster’s default', async () => {
    const { world } = await worldOfTwoGroups();
    const daemon = { serviceName: 'logs', taskDefinition: 'web', schedulingStrategy: 'DAEMON' };
    const refusal = await world.refusal('CreateService', { ...daemon, capacityProviderStrategy: strategy });
    expect(refusal.message).toContain('daemon scheduling strategy does not support capacity provider strategies');
    await associate(world, ['blue'], strategy);
    const { service } = await world.call('CreateService', daemon);
    expect(service?.['launchType']).toBe('EC2');
  });

  test('is refused with a provider that the cluster does not have', async () => {
    const { world } = await worldOfTwoGroups();
    const refusal = await world.refusal('CreateService', {
      serviceName: 'web',
      taskDefinition: 'web',
      desiredCount: 1,
      capacityProviderStrategy: [{ capacityProvider: 'red', weight: 1 }],
    });
    expect(refusal).toMatchObject({
      type: 'InvalidParameterException',
      message: expect.stringContaining('not associated with the cluster'),
    });
  });
});

test('a task set takes a strategy too, and shows it in place of the launch type', async () => {
  const { world } = await worldOfTwoGroups();
  await world.call('CreateService', {
    serviceName: 'web',
    desiredCount: 2,
    deploymentController: { type: 'EXTERNAL' },
  });
  const { taskSet } = await world.call('CreateTaskSet', {
    cluster: 'default',
    service: 'web',
    taskDefinition: 'web',
    capacityProviderStrategy: [{ capacityProvider: 'green', weight: 1 }],
  });
  expect(taskSet).toMatchObject({ capacityProviderStrategy: [{ capacityProvider: 'green', weight: 1, base: 0 }] });
  expect(taskSet?.['launchType']).toBeUndefined();
});

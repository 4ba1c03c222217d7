/** Capacity providers through the API: their own operations, those of clusters, and what tasks and services make of them. */
import { describe, expect, test } from 'vitest';
import { apiWorld, type ApiWorld, type Json } from './api-world.ts';

const groupArn = (group: string): string =>
  `arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:11111111-2222-3333-4444-555555555555:autoScalingGroupName/${group}`;
const arnOf = (name: string): string => `arn:aws:ecs:us-east-1:000000000000:capacity-provider/${name}`;

function provide(world: ApiWorld, name: string, group = name, more: object = {}): Promise<Json> {
  return world.call('CreateCapacityProvider', {
    name,
    autoScalingGroupProvider: { autoScalingGroupArn: groupArn(group), ...more },
  });
}

function associate(world: ApiWorld, capacityProviders: string[], strategy: object[] = []): Promise<Json> {
  return world.call('PutClusterCapacityProviders', {
    cluster: 'default',
    capacityProviders,
    defaultCapacityProviderStrategy: strategy,
  });
}

const inGroup = (group: string) => ({ agentAttributes: [{ name: 'berth.instance-group', value: group }] });

/** Machines `a` and `b`, one in the group of each name, providers `blue` over group-a and `green` over group-b. */
async function worldOfTwoGroups() {
  const world = await apiWorld();
  await world.definition();
  const a = await world.instance(inGroup('group-a'));
  const b = await world.instance(inGroup('group-b'));
  await provide(world, 'blue', 'group-a');
  await provide(world, 'green', 'group-b');
  await associate(world, ['blue', 'green']);
  return { world, a, b };
}

describe('CreateCapacityProvider', () => {
  test('answers what ECS answers, with its defaults', async () => {
    const world = await apiWorld();
    const { capacityProvider } = await world.call('CreateCapacityProvider', {
      name: 'blue',
      autoScalingGroupProvider: { autoScalingGroupArn: groupArn('rack-1'), managedScaling: { status: 'ENABLED' } },
      tags: [{ key: 'team', value: 'x' }],
    });
    expect(capacityProvider).toEqual({
      capacityProviderArn: arnOf('blue'),
      name: 'blue',
      status: 'ACTIVE',
      type: 'EC2_AUTOSCALING',
      updateStatus: 'CREATE_COMPLETE',
      autoScalingGroupProvider: {
        autoScalingGroupArn: groupArn('rack-1'),
        managedScaling: {
          status: 'ENABLED',
          targetCapacity: 100,
          minimumScalingStepSize: 1,
          maximumScalingStepSize: 10_000,
          instanceWarmupPeriod: 300,
        },
        managedTerminationProtection: 'DISABLED',
        managedDraining: 'DISABLED',
      },
      tags: [{ key: 'team', value: 'x' }],
    });
  });

  test.each([
    ['a name of AWS', { name: 'aws-mine' }, 'ClientException', 'cannot be prefixed'],
    ['a name of ECS in capitals', { name: 'ECSmine' }, 'ClientException', 'cannot be prefixed'],
    ['a name of Fargate', { name: 'fargate2' }, 'ClientException', 'cannot be prefixed'],
    ['a name with a space', { name: 'my group' }, 'ClientException', 'name is invalid'],
    ['a long name', { name: 'x'.repeat(256) }, 'ClientException', 'name is invalid'],
    ['no group', { autoScalingGroupProvider: undefined }, 'InvalidParameterException', 'autoScalingGroupProvider'],
    [
      'a group without a name',
      { autoScalingGroupProvider: { autoScalingGroupArn: groupArn('') } },
      'InvalidParameterException',
      'names no group',
    ],
    [
      'a target beyond 100',
      { autoScalingGroupProvider: { autoScalingGroupArn: 'g', managedScaling: { targetCapacity: 101 } } },
      'InvalidParameterException',
      'autoScalingGroupProvider.managedScaling.targetCapacity: expected a whole number from 1 to 100, got 101',
    ],
    [
      'protection without scaling',
      { autoScalingGroupProvider: { autoScalingGroupArn: 'g', managedTerminationProtection: 'ENABLED' } },
      'ClientException',
      'managed scaling must be enabled',
    ],
    [
      'instances that it should make',
      {
        managedInstancesProvider: {
          infrastructureRoleArn: 'arn:aws:iam::000000000000:role/x',
          instanceLaunchTemplate: { ec2InstanceProfileArn: 'x', networkConfiguration: {} },
        },
      },
      'UnsupportedFeatureException',
      'managedInstancesProvider',
    ],
    ['a cluster', { cluster: 'default' }, 'InvalidParameterException', 'cluster: is only valid'],
  ])('refuses %s', async (_what, change, type, message) => {
    const world = await apiWorld();
    const good = { name: 'blue', autoScalingGroupProvider: { autoScalingGroupArn: groupArn('g') } };
    const refusal = await world.refusal('CreateCapacityProvider', { ...good, ...change });
    expect(refusal.type).toBe(type);
    expect(refusal.message).toContain(message);
    const { capacityProviders } = await world.call('DescribeCapacityProviders');
    expect(capacityProviders).toHaveLength(2);
  });

  test('refuses a name, and a group, that another has', async () => {
    const world = await apiWorld();
    await provide(world, 'blue', 'rack-1');
    const again = { name: 'blue', autoScalingGroupProvider: { autoScalingGroupArn: groupArn('rack-2') } };
    expect(await world.refusal('CreateCapacityProvider', again)).toMatchObject({
      type: 'ClientException',
      message: expect.stringContaining('already exists'),
    });
    const other = { name: 'green', autoScalingGroupProvider: { autoScalingGroupArn: 'rack-1' } };
    expect(await world.refusal('CreateCapacityProvider', other)).toMatchObject({
      type: 'ClientException',
      message: expect.stringContaining('already being used by another capacity provider (blue)'),
    });
  });
});

describe('DescribeCapacityProviders', () => {
  test('has FARGATE and FARGATE_SPOT from the start', async () => {
    const world = await apiWorld();
    const { capacityProviders, failures } = await world.call('DescribeCapacityProviders');
    expect(failures).toEqual([]);
    expect(capacityProviders).toEqual([
      { capacityProviderArn: arnOf('FARGATE'), name: 'FARGATE', status: 'ACTIVE', tags: [], type: 'FARGATE' },
      {
        capacityProviderArn: arnOf('FARGATE_SPOT'),
        name: 'FARGATE_SPOT',
        status: 'ACTIVE',
        tags: [],
        type: 'FARGATE_SPOT',
      },
    ]);
  });

  test('finds by name and ARN, shows tags when asked, and tells what is missing', async () => {
    const world = await apiWorld();
    await provide(world, 'blue');
    await world.call('TagResource', { resourceArn: arnOf('blue'), tags: [{ key: 'a', value: 'b' }] });
    const asked = { capacityProviders: [arnOf('blue'), 'FARGATE', 'nothing'] };
    const plain = await world.call('DescribeCapacityProviders', asked);
    expect(plain).toMatchObject({
      capacityProviders: [{ name: 'blue', tags: [] }, { name: 'FARGATE' }],
      failures: [{ arn: arnOf('nothing'), reason: 'MISSING' }],
    });
    const tagged = await world.call('DescribeCapacityProviders', { capacityProviders: ['blue'], include: ['TAGS'] });
    expect(tagged['capacityProviders']?.[0]?.['tags']).toEqual([{ key: 'a', value: 'b' }]);
    const { tags } = await world.call('ListTagsForResource', { resourceArn: arnOf('blue') });
    expect(tags).toEqual([{ key: 'a', value: 'b' }]);
    await world.call('UntagResource', { resourceArn: arnOf('blue'), tagKeys: ['a'] });
    expect((await world.call('ListTagsForResource', { resourceArn: arnOf('blue') }))['tags']).toEqual([]);
  });

  test('comes in pages of ten at most', async () => {
    const world = await apiWorld();
    for (let n = 10; n < 21; n += 1) await provide(world, `p${n}`);
    const first = await world.call('DescribeCapacityProviders');
    expect(first['capacityProviders']).toHaveLength(10);
    const second = await world.call('DescribeCapacityProviders', { nextToken: first['nextToken'] });
    expect(second['capacityProviders']).toHaveLength(3);
    expect(second['nextToken']).toBeUndefined();
    expect((await world.refusal('DescribeCapacityProviders', { maxResults: 11 })).type).toBe(
      'InvalidParameterException',
    );
  });

  test('of a cluster gives only those it has', async () => {
    const { world } = await worldOfTwoGroups();
    await provide(world, 'red');
    const { capacityProviders } = await world.call('DescribeCapacityProviders', { cluster: 'default' });
    expect(capacityProviders).toMatchObject([{ name: 'blue' }, { name: 'green' }]);
  });
});

describe('UpdateCapacityProvider', () => {
  test('changes what it names and keeps the rest', async () => {
    const world = await apiWorld();
    await provide(world, 'blue', 'g', { managedScaling: { status: 'ENABLED', targetCapacity: 80 } });
    const { capacityProvider } = await world.call('UpdateCapacityProvider', {
      name: 'blue',
      autoScalingGroupProvider: { managedScaling: { targetCapacity: 90 }, managedDraining: 'ENABLED' },
    });
    expect(capacityProvider).toMatchObject({
      updateStatus: 'UPDATE_COMPLETE',
      autoScalingGroupProvider: {
        autoScalingGroupArn: groupArn('g'),
        managedScaling: { status: 'ENABLED', targetCapacity: 90 },
        managedDraining: 'ENABLED',
      },
    });
  });

  test.each([
    ['one that is not there', 'nothing', 'does not exist'],
    ['FARGATE', 'FARGATE', 'reserved'],
  ])('refuses %s', async (_what, name, message) => {
    const world = await apiWorld();
    const refusal = await world.refusal('UpdateCapacityProvider', { name, autoScalingGroupProvider: {} });
    expect(refusal).toMatchObject({ type: 'ClientException', message: expect.stringContaining(message) });
  });
});

describe('DeleteCapacityProvider', () => {
  test('is refused while a cluster has it, and then leaves nothing', async () => {
    const { world } = await worldOfTwoGroups();
    expect(await world.refusal('DeleteCapacityProvider', { capacityProvider: 'blue' })).toMatchObject({
      type: 'ClientException',
      message: expect.stringContaining('associated with cluster: default'),
    });
    await associate(world, ['green']);
    const { capacityProvider } = await world.call('DeleteCapacityProvider', { capacityProvider: arnOf('blue') });
    expect(capacityProvider).toMatchObject({ status: 'INACTIVE', updateStatus: 'DELETE_COMPLETE' });
    const { failures } = await world.call('DescribeCapacityProviders', { capacityProviders: ['blue'] });
    expect(failures).toEqual([{ arn: arnOf('blue'), reason: 'MISSING' }]);
  });

  test('of FARGATE is refused', async () => {
    const world = await apiWorld();
    expect((await world.refusal('DeleteCapacityProvider', { capacityProvider: 'FARGATE' })).message).toContain(
      'reserved',
    );
  });
});

describe('the capacity of a cluster', () => {
  test('is set whole, shown, and given at creation too', async () => {
    const world = await apiWorld();
    await provide(world, 'blue');
    const strategy = [{ capacityProvider: 'blue', weight: 1, base: 2 }];
    const { cluster } = await associate(world, ['FARGATE', 'blue'], strategy);
    expect(cluster).toMatchObject({
      capacityProviders: ['FARGATE', 'blue'],
      defaultCapacityProviderStrategy: strategy,
    });
    const created = await world.call('CreateCluster', {
      clusterName: 'other',
      capacityProviders: ['blue'],
      defaultCapacityProviderStrategy: [{ capacityProvider: 'blue' }],
    });
    expect(created['cluster']).toMatchObject({
      capacityProviders: ['blue'],
      defaultCapacityProviderStrategy: [{ capacityProvider: 'blue', weight: 1, base: 0 }],
    });
    const emptied = await associate(world, []);
    expect(emptied['cluster']).toMatchObject({ capacityProviders: [], defaultCapacityProviderStrategy: [] });
  });

  test.each([
    ['an unknown provider', ['nothing'], [], 'InvalidParameterException', "'nothing' was not found"],
    [
      'a default beyond the list',
      ['blue'],
      [{ capacityProvider: 'green', weight: 1 }],
      'InvalidParameterException',
      'not associated with the cluster',
    ],
    [
      'a default of both kinds',
      ['blue', 'FARGATE'],
      [
        { capacityProvider: 'blue', weight: 1 },
        { capacityProvider: 'FARGATE', weight: 1 },
      ],
      'InvalidParameterException',
      'a mix of capacity providers',
    ],
    [
      'more than twenty',
      Array.from({ length: 21 }, (_, at) => `p${at}`),
      [],
      'InvalidParameterException',
      'expected at most 20 items',
    ],
  ])('refuses %s and stays as it was', async (_what, capacityProviders, strategy, type, message) => {
    const { world } = await worldOfTwoGroups();
    const refusal = await world.refusal('PutClusterCapacityProviders', {
      cluster: 'default',
      capacityProviders,
      defaultCapacityProviderStrategy: strategy,
    });
    expect(refusal.type).toBe(type);
    expect(refusal.message).toContain(message);
    const { clusters } = await world.call('DescribeClusters');
    expect(clusters?.[0]?.['capacityProviders']).toEqual(['blue', 'green']);
  });

  test('keeps a provider that a task or a service uses', async () => {
    const { world } = await worldOfTwoGroups();
    const strategy = [{ capacityProvider: 'blue', weight: 1 }];
    const { tasks } = await world.call('RunTask', { taskDefinition: 'web', capacityProviderStrategy: strategy });
    const remove = () =>
      world.refusal('PutClusterCapacityProviders', {
        cluster: 'default',
        capacityProviders: ['green'],
        defaultCapacityProviderStrategy: [],
      });
    expect(await remove()).toMatchObject({
      type: 'ResourceInUseException',
      message: expect.stringContaining('in use and cannot be removed: blue'),
    });
    await world.report(tasks?.[0]?.['taskArn'], { lastStatus: 'STOPPED', desiredStatus: 'STOPPED' });
    await world.call('CreateService', {
      serviceName: 'web',
      taskDefinition: 'web',
      desiredCount: 0,
      capacityProviderStrategy: strategy,
    });
    expect((await remove()).type).toBe('ResourceInUseException');
  });

  test('keeps the cluster from being deleted, unless all it has is FARGATE', async () => {
    const world = await apiWorld();
    await provide(world, 'blue');
    await associate(world, ['blue']);
    expect((await world.refusal('DeleteCluster', { cluster: 'default' })).type).toBe(
      'ClusterContainsCapacityProviderException',
    );
    await associate(world, ['FARGATE']);
    await world.call('DeleteCluster', { cluster: 'default' });
  });
});

describe('an instance', () => {
  test('shows the provider of its group, by what its agent or a user says', async () => {
    const { world, a } = await worldOfTwoGroups();
    const c = await world.instance();
    const names = async () => {
      const { containerInstances } = await world.call('DescribeContainerInstances', {
        containerInstances: [a.containerInstanceArn, c.containerInstanceArn],
      });
      return [0, 1].map((at) => containerInstances?.[at]?.['capacityProviderName']);
    };
    expect(await names()).toEqual(['blue', undefined]);
    const attribute = { name: 'berth.instance-group', value: 'group-b', targetId: c.containerInstanceArn };
    await world.call('PutAttributes', { attributes: [attribute] });
    expect(await names()).toEqual(['blue', 'green']);
  });
});

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

/** Capacity providers through the API: their own operations, those of clusters, and what instances show. */
import { describe, expect, test } from 'vitest';
import { apiWorld } from './api-world.ts';
import { arnOf, associate, groupArn, provide, worldOfTwoGroups } from './capacity-world.ts';

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

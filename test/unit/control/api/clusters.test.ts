/** Clusters through the API. */
import { describe, expect, test } from 'vitest';
import { aTask } from '#test/support/builders/a-task.ts';
import { apiWorld } from './api-world.ts';

const arnOf = (name: string): string => `arn:aws:ecs:us-east-1:000000000000:cluster/${name}`;

describe('a cluster', () => {
  test('is there from the start under the name default', async () => {
    const world = await apiWorld();
    const { clusters, failures } = await world.call('DescribeClusters');
    expect(failures).toEqual([]);
    expect(clusters).toMatchObject([{ clusterArn: arnOf('default'), clusterName: 'default', status: 'ACTIVE' }]);
  });

  test('is created with its tags and settings, and shows them when asked', async () => {
    const world = await apiWorld();
    const tags = [{ key: 'team', value: 'blue' }];
    const settings = [{ name: 'containerInsights', value: 'enabled' }];
    const configuration = { executeCommandConfiguration: { logging: 'DEFAULT' } };
    await world.call('CreateCluster', { clusterName: 'blue', tags, settings, configuration });
    const plain = await world.call('DescribeClusters', { clusters: ['blue'] });
    expect(plain['clusters']?.[0]).toMatchObject({ tags: [], settings: [], statistics: [] });
    const full = await world.call('DescribeClusters', {
      clusters: [arnOf('blue')],
      include: ['TAGS', 'SETTINGS', 'CONFIGURATIONS', 'STATISTICS'],
    });
    expect(full['clusters']?.[0]).toMatchObject({ tags, settings, configuration });
    expect(full['clusters']?.[0]?.['statistics']).toContainEqual({ name: 'runningEC2TasksCount', value: '0' });
  });

  test('created again is the same cluster, unchanged', async () => {
    const world = await apiWorld();
    const first = await world.call('CreateCluster', { clusterName: 'blue', tags: [{ key: 'a', value: '1' }] });
    expect(await world.call('CreateCluster', { clusterName: 'blue', tags: [{ key: 'b' }] })).toEqual(first);
  });

  test('takes new settings and refuses values they do not have', async () => {
    const world = await apiWorld();
    const enhanced = [{ name: 'containerInsights', value: 'enhanced' }];
    const updated = await world.call('UpdateClusterSettings', { cluster: 'default', settings: enhanced });
    expect(updated['cluster']?.['settings']).toEqual(enhanced);
    const refusal = await world.refusal('UpdateCluster', {
      cluster: 'default',
      settings: [{ name: 'containerInsights', value: 'sometimes' }],
    });
    expect(refusal.type).toBe('InvalidParameterException');
  });

  test('follows the account’s default for Container Insights', async () => {
    const world = await apiWorld();
    await world.call('PutAccountSettingDefault', { name: 'containerInsights', value: 'enhanced' });
    const created = await world.call('CreateCluster', { clusterName: 'blue' });
    expect(created['cluster']?.['settings']).toEqual([{ name: 'containerInsights', value: 'enhanced' }]);
  });

  test('with a capacity provider that is not there is not made', async () => {
    const world = await apiWorld();
    expect(await world.refusal('CreateCluster', { clusterName: 'blue', capacityProviders: ['nothing'] })).toEqual({
      type: 'InvalidParameterException',
      message: "The specified capacity provider 'nothing' was not found. Specify a valid name or ARN and try again.",
    });
    expect((await world.call('ListClusters'))['clusterArns']).toEqual([arnOf('default')]);
  });
});

describe('deleting a cluster', () => {
  test('leaves it visible as INACTIVE and out of lists, and its name may be used anew', async () => {
    const world = await apiWorld();
    await world.call('CreateCluster', { clusterName: 'blue', tags: [{ key: 'old' }] });
    expect((await world.call('DeleteCluster', { cluster: 'blue' }))['cluster']).toMatchObject({ status: 'INACTIVE' });
    expect((await world.call('ListClusters'))['clusterArns']).toEqual([arnOf('default')]);
    expect((await world.call('DescribeClusters', { clusters: ['blue'] }))['clusters']?.[0]?.['status']).toBe(
      'INACTIVE',
    );
    expect(await world.refusal('RunTask', { cluster: 'blue', taskDefinition: 'web' })).toEqual({
      type: 'ClusterNotFoundException',
      message: 'The referenced cluster was inactive.',
    });
    const again = await world.call('CreateCluster', { clusterName: 'blue' });
    expect(again['cluster']).toMatchObject({ status: 'ACTIVE', tags: [] });
  });

  test('is refused while it has instances, services or tasks', async () => {
    const world = await apiWorld();
    const instance = await world.instance();
    const code = async () => (await world.refusal('DeleteCluster', { cluster: 'default' })).type;
    expect(await code()).toBe('ClusterContainsContainerInstancesException');
    await world.store.write((tx) => tx.containerInstances.put({ ...instance, status: 'INACTIVE' }));
    await world.definition();
    await world.call('CreateService', { serviceName: 'web', taskDefinition: 'web', desiredCount: 0 });
    expect(await code()).toBe('ClusterContainsServicesException');
    const service = await world.store.read((tx) => tx.services.get('default', 'web'));
    await world.store.write(async (tx) => {
      if (service !== undefined) await tx.services.put({ ...service, status: 'INACTIVE' });
      await tx.tasks.put(aTask());
    });
    expect(await code()).toBe('ClusterContainsTasksException');
  });
});

describe('a cluster that is not there', () => {
  test('is a failure of a description, also in another account', async () => {
    const world = await apiWorld();
    const elsewhere = 'arn:aws:ecs:us-east-1:111111111111:cluster/default';
    const { clusters, failures } = await world.call('DescribeClusters', { clusters: ['nowhere', elsewhere] });
    expect(clusters).toEqual([]);
    expect(failures).toEqual([
      { arn: arnOf('nowhere'), reason: 'MISSING' },
      { arn: elsewhere, reason: 'MISSING' },
    ]);
  });

  test.each([
    ['UpdateCluster', { cluster: 'nowhere' }],
    ['DeleteCluster', { cluster: 'nowhere' }],
    ['ListTasks', { cluster: 'nowhere' }],
    ['ListServices', { cluster: 'nowhere' }],
    ['ListContainerInstances', { cluster: 'nowhere' }],
    ['DescribeTasks', { cluster: 'nowhere', tasks: ['a'] }],
    ['DescribeServices', { cluster: 'nowhere', services: ['a'] }],
    ['RunTask', { cluster: 'nowhere', taskDefinition: 'web' }],
    ['CreateService', { cluster: 'nowhere', serviceName: 'web', taskDefinition: 'web', desiredCount: 1 }],
  ])('is an error of %s', async (operation, body) => {
    const world = await apiWorld();
    expect(await world.refusal(operation, body)).toEqual({
      type: 'ClusterNotFoundException',
      message: 'Cluster not found.',
    });
  });
});

describe('a list of clusters', () => {
  test('comes in pages whose tokens fit only this list', async () => {
    const world = await apiWorld();
    for (const clusterName of ['a', 'b', 'c']) await world.call('CreateCluster', { clusterName });
    const first = await world.call('ListClusters', { maxResults: 3 });
    expect(first['clusterArns']).toEqual(['a', 'b', 'c'].map(arnOf));
    const second = await world.call('ListClusters', { maxResults: 3, nextToken: first['nextToken'] });
    expect(second).toEqual({ clusterArns: [arnOf('default')] });
    for (const nextToken of ['garbage', String(first['nextToken'])]) {
      expect((await world.refusal('ListTaskDefinitions', { nextToken })).type).toBe('InvalidParameterException');
    }
  });
});

/** Tags of every kind of resource, and account settings, through the API. */
import { describe, expect, test } from 'vitest';
import { apiWorld, type ApiWorld } from './api-world.ts';

async function resourcesOf(world: ApiWorld): Promise<string[]> {
  const { containerInstanceArn } = await world.instance();
  const definition = await world.definition();
  const service = await world.call('CreateService', { serviceName: 'web', taskDefinition: 'web', desiredCount: 0 });
  const { tasks } = await world.call('RunTask', { taskDefinition: 'web' });
  return [
    'arn:aws:ecs:us-east-1:000000000000:cluster/default',
    String(service['service']?.['serviceArn']),
    String(tasks?.[0]?.['taskArn']),
    definition,
    containerInstanceArn,
  ];
}

describe('tags', () => {
  test('are put on, replaced on and taken off every kind of resource', async () => {
    const world = await apiWorld();
    for (const resourceArn of await resourcesOf(world)) {
      const tags = async () => (await world.call('ListTagsForResource', { resourceArn }))['tags'];
      expect(await tags()).toEqual([]);
      await world.call('TagResource', { resourceArn, tags: [{ key: 'a', value: '1' }, { key: 'b' }] });
      await world.call('TagResource', { resourceArn, tags: [{ key: 'a', value: '2' }] });
      expect(await tags()).toEqual([{ key: 'a', value: '2' }, { key: 'b' }]);
      await world.call('UntagResource', { resourceArn, tagKeys: ['a', 'unknown'] });
      expect(await tags()).toEqual([{ key: 'b' }]);
    }
  });

  test.each([
    [
      'berth:lost-after',
      'soon',
      "expected a time from one second to a year, such as 90, 90s or 5m, or never, got 'soon'",
    ],
    ['berth:lost-after', '0', "got '0'"],
    ['berth:lost-after', '', "got ''"],
    ['berth:rebalance', 'yes', "expected ENABLED or DISABLED, got 'yes'"],
    ['berth:on-return', 'both', "expected newest or original, got 'both'"],
  ])('that set a policy of a service are refused when it cannot be: %s=%s', async (key, value, message) => {
    const world = await apiWorld();
    await world.definition();
    const request = { serviceName: 'web', taskDefinition: 'web', desiredCount: 0 };
    const refused = await world.refusal('CreateService', { ...request, tags: [{ key, value }] });
    expect(refused).toMatchObject({ type: 'InvalidParameterException', message: expect.stringContaining(message) });
    expect(String(refused.message)).toContain(`The tag ${key} of a service`);
    const resourceArn = String((await world.call('CreateService', request))['service']?.['serviceArn']);
    expect(await world.refusal('TagResource', { resourceArn, tags: [{ key, value }] })).toEqual(refused);
    expect((await world.call('ListTagsForResource', { resourceArn }))['tags']).toEqual([]);
  });

  test.each(['90', '90s', '1m30s', '2h', '7d', 'never'])(
    'say how long a service waits for silence: %s',
    async (value) => {
      const world = await apiWorld();
      await world.definition();
      const tags = [{ key: 'berth:lost-after', value }];
      const request = { serviceName: 'web', taskDefinition: 'web', desiredCount: 0, tags };
      expect((await world.call('CreateService', request))['service']).toMatchObject({ tags });
    },
  );

  test('are fifty at most', async () => {
    const world = await apiWorld();
    const resourceArn = 'arn:aws:ecs:us-east-1:000000000000:cluster/default';
    const tags = Array.from({ length: 50 }, (_, index) => ({ key: `k${index}` }));
    await world.call('TagResource', { resourceArn, tags });
    expect((await world.refusal('TagResource', { resourceArn, tags: [{ key: 'more' }] })).type).toBe(
      'InvalidParameterException',
    );
    expect((await world.call('ListTagsForResource', { resourceArn }))['tags']).toHaveLength(50);
  });

  test.each([
    ['nonsense', 'InvalidParameterException'],
    ['arn:aws:s3:::bucket', 'InvalidParameterException'],
    ['arn:aws:ecs:us-east-1:000000000000:constructor/x', 'InvalidParameterException'],
    ['arn:aws:ecs:us-east-1:111111111111:cluster/default', 'InvalidParameterException'],
    ['arn:aws:ecs:us-east-1:000000000000:cluster/nowhere', 'ClusterNotFoundException'],
    ['arn:aws:ecs:us-east-1:000000000000:service/default/nothing', 'InvalidParameterException'],
    ['arn:aws:ecs:us-east-1:000000000000:task/default/nothing', 'InvalidParameterException'],
    ['arn:aws:ecs:us-east-1:000000000000:task-definition/web:1', 'InvalidParameterException'],
    ['arn:aws:ecs:us-east-1:000000000000:container-instance/default/x', 'InvalidParameterException'],
  ])('of %s are an error', async (resourceArn, type) => {
    const world = await apiWorld();
    expect((await world.refusal('ListTagsForResource', { resourceArn })).type).toBe(type);
  });
});

describe('account settings', () => {
  test('of the caller win over the account’s, which win over ECS’s', async () => {
    const world = await apiWorld();
    const value = async () =>
      (await world.call('ListAccountSettings', { name: 'containerInsights', effectiveSettings: true }))[
        'settings'
      ]?.[0]?.['value'];
    expect(await value()).toBe('disabled');
    await world.call('PutAccountSettingDefault', { name: 'containerInsights', value: 'enhanced' });
    expect(await value()).toBe('enhanced');
    const put = await world.call('PutAccountSetting', { name: 'containerInsights', value: 'enabled' });
    expect(put['setting']).toEqual({
      name: 'containerInsights',
      value: 'enabled',
      principalArn: 'arn:aws:iam::000000000000:user/admin',
      type: 'user',
    });
    expect(await value()).toBe('enabled');
    expect((await world.call('ListAccountSettings'))['settings']).toEqual([put['setting']]);
    await world.call('DeleteAccountSetting', { name: 'containerInsights' });
    expect(await value()).toBe('enhanced');
  });

  test('are listed in pages of ten, and take only their own values', async () => {
    const world = await apiWorld();
    const first = await world.call('ListAccountSettings', { effectiveSettings: true });
    expect(first['settings']).toHaveLength(10);
    const second = await world.call('ListAccountSettings', { effectiveSettings: true, nextToken: first['nextToken'] });
    expect(second['settings']).toHaveLength(1);
    expect((await world.refusal('PutAccountSetting', { name: 'serviceLongArnFormat', value: 'disabled' })).type).toBe(
      'InvalidParameterException',
    );
    expect((await world.refusal('PutAccountSetting', { name: 'unknown', value: 'on' })).type).toBe(
      'InvalidParameterException',
    );
  });
});

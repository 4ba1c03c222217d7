/** Services through the API; what the reconciler makes of their rows is its own matter. */
import { describe, expect, test } from 'vitest';
import { apiWorld, type ApiWorld, type Json } from './api-world.ts';

const arn = 'arn:aws:ecs:us-east-1:000000000000:service/default/web';
const web = { serviceName: 'web', taskDefinition: 'web', desiredCount: 2 };

async function worldWithDefinition(): Promise<ApiWorld> {
  const world = await apiWorld();
  await world.definition();
  return world;
}

async function described(world: ApiWorld, include: string[] = []): Promise<Json | undefined> {
  return (await world.call('DescribeServices', { services: ['web'], include }))['services']?.[0];
}

describe('CreateService', () => {
  test('answers the service with ECS’s defaults and one deployment in progress', async () => {
    const world = await worldWithDefinition();
    const { service } = await world.call('CreateService', { ...web, tags: [{ key: 'a', value: 'b' }] });
    expect(service).toMatchObject({
      serviceArn: arn,
      serviceName: 'web',
      status: 'ACTIVE',
      desiredCount: 2,
      runningCount: 0,
      pendingCount: 0,
      launchType: 'EC2',
      schedulingStrategy: 'REPLICA',
      deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 200 },
      deploymentController: { type: 'ECS' },
      taskDefinition: 'arn:aws:ecs:us-east-1:000000000000:task-definition/web:1',
      createdBy: 'arn:aws:iam::000000000000:user/admin',
      tags: [{ key: 'a', value: 'b' }],
      events: [],
    });
    expect(service?.['deployments']).toMatchObject([
      { status: 'PRIMARY', rolloutState: 'IN_PROGRESS', desiredCount: 2 },
    ]);
    expect(await described(world, ['TAGS'])).toEqual(service);
  });

  test('of the same settings again answers the service that is there', async () => {
    const world = await worldWithDefinition();
    const first = await world.call('CreateService', web);
    await world.clock.advance(5000);
    expect(await world.call('CreateService', web)).toEqual(first);
    expect(await world.refusal('CreateService', { ...web, desiredCount: 3 })).toEqual({
      type: 'InvalidParameterException',
      message: 'Creation of service was not idempotent.',
    });
  });

  test('with one client token is one request', async () => {
    const world = await worldWithDefinition();
    const first = await world.call('CreateService', { ...web, clientToken: 'once' });
    expect(await world.call('CreateService', { ...web, clientToken: 'once' })).toEqual(first);
    expect((await world.refusal('CreateService', { ...web, serviceName: 'other', clientToken: 'once' })).type).toBe(
      'ConflictException',
    );
  });

  test('of a daemon needs no count', async () => {
    const world = await worldWithDefinition();
    const daemon = { serviceName: 'agent', taskDefinition: 'web', schedulingStrategy: 'DAEMON' };
    const { service } = await world.call('CreateService', daemon);
    expect(service).toMatchObject({
      schedulingStrategy: 'DAEMON',
      deploymentConfiguration: { minimumHealthyPercent: 0, maximumPercent: 100 },
    });
    expect((await world.refusal('CreateService', { ...daemon, desiredCount: 2 })).message).toContain(
      'does not support a desired count',
    );
  });

  test.each([
    ['no desired count', { desiredCount: undefined }, 'InvalidParameterException', 'desiredCount: is required'],
    ['a negative count', { desiredCount: -1 }, 'InvalidParameterException', 'desiredCount: expected a whole number'],
    ['no definition', { taskDefinition: undefined }, 'InvalidParameterException', 'taskDefinition: is required'],
    ['an unknown definition', { taskDefinition: 'nothing:1' }, 'ClientException', 'TaskDefinition not found.'],
    [
      'a floor above the ceiling',
      { deploymentConfiguration: { minimumHealthyPercent: 150, maximumPercent: 120 } },
      'InvalidParameterException',
      'deploymentConfiguration',
    ],
    ['a name with spaces', { serviceName: 'my web' }, 'InvalidParameterException', 'serviceName'],
    [
      'a load balancer',
      { loadBalancers: [{ targetGroupArn: 'x', containerName: 'main', containerPort: 80 }] },
      'UnsupportedFeatureException',
      'Load balancers',
    ],
    [
      'Service Connect',
      { serviceConnectConfiguration: { enabled: true } },
      'UnsupportedFeatureException',
      'Service Connect',
    ],
    [
      'blue/green',
      { deploymentConfiguration: { strategy: 'BLUE_GREEN' } },
      'UnsupportedFeatureException',
      'Deployment strategies',
    ],
    [
      'another controller',
      { deploymentController: { type: 'CODE_DEPLOY' } },
      'UnsupportedFeatureException',
      'The deployment controller CODE_DEPLOY',
    ],
    [
      'a capacity provider that the cluster does not have',
      { capacityProviderStrategy: [{ capacityProvider: 'x' }] },
      'InvalidParameterException',
      'not associated with the cluster',
    ],
  ])('refuses %s and makes nothing', async (_what, change, type, message) => {
    const world = await worldWithDefinition();
    const refusal = await world.refusal('CreateService', { ...web, ...change });
    expect(refusal.type).toBe(type);
    expect(refusal.message).toContain(message);
    expect((await world.call('ListServices'))['serviceArns']).toEqual([]);
  });

  test('keeps fields that are switched off or empty', async () => {
    const world = await worldWithDefinition();
    const { service } = await world.call('CreateService', {
      ...web,
      loadBalancers: [],
      serviceConnectConfiguration: { enabled: false },
      deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true }, strategy: 'ROLLING' },
    });
    expect(service?.['deploymentConfiguration']).toEqual({
      minimumHealthyPercent: 100,
      maximumPercent: 200,
      strategy: 'ROLLING',
      deploymentCircuitBreaker: { enable: true, rollback: true },
    });
    expect(service?.['deployments']?.[0]?.['serviceConnectConfiguration']).toEqual({ enabled: false });
  });
});

describe('UpdateService', () => {
  test('scales without a new deployment', async () => {
    const world = await worldWithDefinition();
    await world.call('CreateService', web);
    const { service } = await world.call('UpdateService', { service: 'web', desiredCount: 5 });
    expect(service).toMatchObject({ desiredCount: 5, deployments: [{ status: 'PRIMARY', desiredCount: 5 }] });
    expect(service?.['deployments']).toHaveLength(1);
  });

  test('rolls to another definition: the new deployment is PRIMARY, the old one ACTIVE', async () => {
    const world = await worldWithDefinition();
    await world.definition();
    await world.call('CreateService', { ...web, taskDefinition: 'web:1' });
    const { service } = await world.call('UpdateService', { service: arn, taskDefinition: 'web' });
    expect(service?.['deployments']).toMatchObject([
      { status: 'PRIMARY', taskDefinition: 'arn:aws:ecs:us-east-1:000000000000:task-definition/web:2' },
      { status: 'ACTIVE', taskDefinition: 'arn:aws:ecs:us-east-1:000000000000:task-definition/web:1' },
    ]);
  });

  test('deploys the same again only when forced', async () => {
    const world = await worldWithDefinition();
    await world.call('CreateService', web);
    const same = await world.call('UpdateService', { service: 'web', taskDefinition: 'web' });
    expect(same['service']?.['deployments']).toHaveLength(1);
    const forced = await world.call('UpdateService', { service: 'web', forceNewDeployment: true });
    expect(forced['service']?.['deployments']).toHaveLength(2);
  });

  test('changes limits and placement for what comes next', async () => {
    const world = await worldWithDefinition();
    await world.call('CreateService', web);
    const placementStrategy = [{ type: 'binpack', field: 'memory' }];
    const { service } = await world.call('UpdateService', {
      service: 'web',
      deploymentConfiguration: { minimumHealthyPercent: 50 },
      placementStrategy,
    });
    expect(service).toMatchObject({
      deploymentConfiguration: { minimumHealthyPercent: 50, maximumPercent: 200 },
      placementStrategy,
    });
    expect(service?.['deployments']).toHaveLength(1);
  });

  test('of a service that is not there, or on its way out, is an error', async () => {
    const world = await worldWithDefinition();
    expect((await world.refusal('UpdateService', { service: 'web' })).type).toBe('ServiceNotFoundException');
    await world.call('CreateService', web);
    await world.call('DeleteService', { service: 'web', force: true });
    expect((await world.refusal('UpdateService', { service: 'web', desiredCount: 1 })).type).toBe(
      'ServiceNotActiveException',
    );
  });
});

describe('DeleteService', () => {
  test('needs a count of 0 or force, and drains', async () => {
    const world = await worldWithDefinition();
    await world.call('CreateService', web);
    expect(await world.refusal('DeleteService', { service: 'web' })).toEqual({
      type: 'InvalidParameterException',
      message: 'The service cannot be stopped while it is scaled above 0.',
    });
    await world.call('UpdateService', { service: 'web', desiredCount: 0 });
    const { service } = await world.call('DeleteService', { service: 'web' });
    expect(service).toMatchObject({ status: 'DRAINING', desiredCount: 0 });
    expect((await world.refusal('CreateService', web)).message).toContain('still Draining');
    expect((await world.refusal('DeleteService', { service: 'nothing' })).type).toBe('ServiceNotFoundException');
  });
});

describe('reading services', () => {
  test('counts tasks by deployment', async () => {
    const world = await worldWithDefinition();
    await world.instance();
    const { service } = await world.call('CreateService', web);
    const id = service?.['deployments']?.[0]?.['id'];
    const { tasks } = await world.call('RunTask', { taskDefinition: 'web', count: 3 });
    const deploymentId = String(id);
    for (const index of [0, 1]) {
      await world.report(tasks?.[index]?.['taskArn'], { serviceName: 'web', deploymentId, startedBy: deploymentId });
    }
    await world.report(tasks?.[0]?.['taskArn'], { lastStatus: 'RUNNING' });
    await world.report(tasks?.[2]?.['taskArn'], {
      serviceName: 'web',
      startedBy: 'ecs-svc/gone',
      lastStatus: 'RUNNING',
    });
    expect(await described(world)).toMatchObject({
      runningCount: 2,
      pendingCount: 1,
      deployments: [{ runningCount: 1, pendingCount: 1 }],
    });
  });

  test('tells unknown ones as failures', async () => {
    const world = await worldWithDefinition();
    const { services, failures } = await world.call('DescribeServices', { services: ['nothing'] });
    expect(services).toEqual([]);
    expect(failures).toEqual([{ arn: arn.replace('/web', '/nothing'), reason: 'MISSING' }]);
  });

  test('lists ten at a time unless asked otherwise, by strategy and launch type', async () => {
    const world = await worldWithDefinition();
    for (let made = 0; made < 12; made += 1) await world.call('CreateService', { ...web, serviceName: `web-${made}` });
    await world.call('CreateService', { serviceName: 'd', taskDefinition: 'web', schedulingStrategy: 'DAEMON' });
    const first = await world.call('ListServices');
    expect(first['serviceArns']).toHaveLength(10);
    expect((await world.call('ListServices', { nextToken: first['nextToken'] }))['serviceArns']).toHaveLength(3);
    const list = async (filter: object) =>
      (await world.call('ListServices', { maxResults: 100, ...filter }))['serviceArns'];
    expect(await list({ schedulingStrategy: 'DAEMON' })).toHaveLength(1);
    expect(await list({ launchType: 'FARGATE' })).toEqual([]);
  });
});

describe('availabilityZoneRebalancing', () => {
  const zoneSpread = { type: 'spread', field: 'attribute:ecs.availability-zone' };
  const bound = { type: 'memberOf', expression: 'attribute:ecs.availability-zone == a' };

  test.each([
    ['nothing else said', {}, 'ENABLED'],
    ['a strategy that begins with the spread over zones', { placementStrategy: [zoneSpread] }, 'ENABLED'],
    ['another strategy', { placementStrategy: [{ type: 'binpack', field: 'memory' }] }, 'DISABLED'],
    ['maximumPercent 100', { deploymentConfiguration: { maximumPercent: 100, minimumHealthyPercent: 0 } }, 'DISABLED'],
    ['a constraint on the zone', { placementConstraints: [bound] }, 'DISABLED'],
    ['DAEMON', { schedulingStrategy: 'DAEMON', desiredCount: undefined }, 'DISABLED'],
    ['DISABLED by name', { availabilityZoneRebalancing: 'DISABLED' }, 'DISABLED'],
  ])('is on by default where it goes with the rest: %s', async (_, settings, expected) => {
    const world = await worldWithDefinition();
    const request = Object.fromEntries(
      Object.entries({ ...web, ...settings }).filter(([, value]) => value !== undefined),
    );
    const { service } = await world.call('CreateService', request);
    expect(service?.['availabilityZoneRebalancing']).toBe(expected);
  });

  test('asked for by name where it cannot be is refused with the reason', async () => {
    const world = await worldWithDefinition();
    const placementStrategy = [{ type: 'binpack', field: 'cpu' }];
    const request = { ...web, placementStrategy, availabilityZoneRebalancing: 'ENABLED' };
    expect(await world.refusal('CreateService', request)).toEqual({
      type: 'InvalidParameterException',
      message:
        'availabilityZoneRebalancing: ENABLED does not go with a placement strategy that does not begin with ' +
        'spread(attribute:ecs.availability-zone).',
    });
  });

  test('is switched by UpdateService without a deployment, and stays as it is where nothing is said', async () => {
    const world = await worldWithDefinition();
    const { service: before } = await world.call('CreateService', { ...web, availabilityZoneRebalancing: 'DISABLED' });
    const setting = async (body: object) =>
      (await world.call('UpdateService', { service: 'web', ...body }))['service']?.['availabilityZoneRebalancing'];
    expect(await setting({ desiredCount: 3 })).toBe('DISABLED');
    expect(await setting({ availabilityZoneRebalancing: 'ENABLED' })).toBe('ENABLED');
    expect(await setting({ desiredCount: 4 })).toBe('ENABLED');
    const after = await described(world);
    expect(after?.['deployments']?.[0]?.['id']).toBe(before?.['deployments']?.[0]?.['id']);
  });
});

describe('the counts of a service', () => {
  test('leave out its lost tasks, which say since when they are lost', async () => {
    const world = await worldWithDefinition();
    await world.instance();
    await world.call('CreateService', web);
    const { tasks } = await world.call('RunTask', { taskDefinition: 'web', count: 2 });
    const [lost, running] = [String(tasks?.[0]?.['taskArn']), String(tasks?.[1]?.['taskArn'])];
    const report = { serviceName: 'web', lastStatus: 'RUNNING' as const };
    await world.report(running, report);
    await world.report(lost, { ...report, lostAt: Date.UTC(2026, 0, 2) });
    expect(await described(world)).toMatchObject({ runningCount: 1 });
    const shown = (await world.call('DescribeTasks', { tasks: [lost, running] }))['tasks'];
    expect(shown?.[0]).toMatchObject({
      lastStatus: 'RUNNING',
      attributes: [{ name: 'berth.lost-at', value: '2026-01-02 00:00:00 UTC' }],
    });
    expect(shown?.[1]?.['attributes']).toEqual([]);
  });
});

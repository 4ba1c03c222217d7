/** Task sets through the API; starting and stopping their tasks is the reconciler's work. */
import { describe, expect, test } from 'vitest';
import { aTask } from '#test/support/builders/a-task.ts';
import { apiWorld, type ApiWorld, type Json } from './api-world.ts';

const place = { cluster: 'default', service: 'web' };
const half = { value: 50, unit: 'PERCENT' };
const full = { value: 100, unit: 'PERCENT' };

async function worldWithService(desiredCount = 3): Promise<ApiWorld> {
  const world = await apiWorld();
  await world.definition();
  await world.call('CreateService', { serviceName: 'web', desiredCount, deploymentController: { type: 'EXTERNAL' } });
  return world;
}

async function create(world: ApiWorld, more: object = {}): Promise<Json> {
  const { taskSet } = await world.call('CreateTaskSet', { ...place, taskDefinition: 'web', ...more });
  if (taskSet === undefined) throw new Error('no task set');
  return taskSet;
}

async function described(world: ApiWorld, more: object = {}): Promise<Json> {
  return world.call('DescribeTaskSets', { ...place, ...more });
}

async function service(world: ApiWorld): Promise<Json | undefined> {
  return (await world.call('DescribeServices', { services: ['web'] }))['services']?.[0];
}

describe('a service with the controller EXTERNAL', () => {
  test('has neither definition nor deployments of its own', async () => {
    const world = await worldWithService();
    const found = await service(world);
    expect(found).toMatchObject({ desiredCount: 3, deploymentController: { type: 'EXTERNAL' }, deployments: [] });
    expect(found?.['taskSets']).toEqual([]);
    expect(found).not.toHaveProperty('taskDefinition');
    expect(found).not.toHaveProperty('launchType');
  });

  test('is created again by the same request, whatever its task sets are by then', async () => {
    const world = await worldWithService();
    await create(world);
    const request = { serviceName: 'web', desiredCount: 3, deploymentController: { type: 'EXTERNAL' } };
    expect((await world.call('CreateService', request))['service']?.['taskSets']).toHaveLength(1);
    expect((await world.refusal('CreateService', { ...request, desiredCount: 4 })).message).toBe(
      'Creation of service was not idempotent.',
    );
  });

  test.each([
    ['a task definition', { taskDefinition: 'web' }, 'taskDefinition: cannot be specified'],
    ['a launch type', { launchType: 'EC2' }, 'launchType: cannot be specified'],
    ['the strategy DAEMON', { schedulingStrategy: 'DAEMON', desiredCount: 0 }, 'DAEMON scheduling strategy'],
    [
      'a circuit breaker',
      { deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: false } } },
      'circuit breaker can only be used with the ECS deployment controller',
    ],
  ])('takes no %s', async (_what, change, message) => {
    const world = await apiWorld();
    await world.definition();
    const request = { serviceName: 'web', desiredCount: 1, deploymentController: { type: 'EXTERNAL' }, ...change };
    const refusal = await world.refusal('CreateService', request);
    expect(refusal.type).toBe('InvalidParameterException');
    expect(refusal.message).toContain(message);
  });

  test('can be scaled and have its grace period changed, which starts no deployment', async () => {
    const world = await worldWithService();
    await create(world, { scale: half });
    const update = { service: 'web', desiredCount: 8, healthCheckGracePeriodSeconds: 30 };
    const answer = (await world.call('UpdateService', update))['service'];
    expect(answer).toMatchObject({ desiredCount: 8, healthCheckGracePeriodSeconds: 30, deployments: [] });
    expect(answer?.['taskSets']?.[0]?.['computedDesiredCount']).toBe(4);
  });

  test.each([
    ['a task definition', { taskDefinition: 'web' }, 'Unable to update taskDefinition'],
    ['a forced deployment', { forceNewDeployment: true }, 'Unable to update forceNewDeployment'],
    ['percentages', { deploymentConfiguration: { maximumPercent: 150 } }, 'Unable to update deploymentConfiguration'],
  ])('is not updated with %s', async (_what, change, message) => {
    const world = await worldWithService();
    const refusal = await world.refusal('UpdateService', { service: 'web', ...change });
    expect(refusal.type).toBe('InvalidParameterException');
    expect(refusal.message).toContain(message);
  });

  test('with task sets is deleted by force only', async () => {
    const world = await worldWithService(0);
    await create(world);
    expect((await world.refusal('DeleteService', { service: 'web' })).message).toBe(
      'The service cannot be stopped while deployments are active.',
    );
    expect((await world.call('DeleteService', { service: 'web', force: true }))['service']?.['status']).toBe(
      'DRAINING',
    );
  });
});

describe('CreateTaskSet', () => {
  test('answers an ACTIVE task set of scale 0 that is STABILIZING', async () => {
    const world = await worldWithService();
    const set = await create(world, { externalId: 'blue', tags: [{ key: 'a', value: 'b' }] });
    const id = String(set['id']);
    expect(id).toMatch(/^ecs-svc\/\d{19}$/);
    expect(set).toMatchObject({
      taskSetArn: `arn:aws:ecs:us-east-1:000000000000:task-set/default/web/${id}`,
      serviceArn: 'arn:aws:ecs:us-east-1:000000000000:service/default/web',
      clusterArn: 'arn:aws:ecs:us-east-1:000000000000:cluster/default',
      status: 'ACTIVE',
      externalId: 'blue',
      taskDefinition: 'arn:aws:ecs:us-east-1:000000000000:task-definition/web:1',
      launchType: 'EC2',
      scale: { value: 0, unit: 'PERCENT' },
      computedDesiredCount: 0,
      runningCount: 0,
      pendingCount: 0,
      stabilityStatus: 'STABILIZING',
      loadBalancers: [],
      serviceRegistries: [],
      tags: [{ key: 'a', value: 'b' }],
    });
    expect((await service(world))?.['taskSets']).toMatchObject([{ id }]);
  });

  test('computes the share of the desired count, rounded up', async () => {
    const world = await worldWithService();
    expect(await create(world, { scale: half })).toMatchObject({ computedDesiredCount: 2, scale: half });
  });

  test('with one client token is one request', async () => {
    const world = await worldWithService();
    const first = await create(world, { clientToken: 'once' });
    expect(await create(world, { clientToken: 'once' })).toEqual(first);
    const other = { ...place, taskDefinition: 'web', clientToken: 'once', externalId: 'other' };
    expect((await world.refusal('CreateTaskSet', other)).type).toBe('ConflictException');
  });

  test('is refused when five exist', async () => {
    const world = await worldWithService();
    for (let made = 0; made < 5; made += 1) await create(world);
    expect(await world.refusal('CreateTaskSet', { ...place, taskDefinition: 'web' })).toEqual({
      type: 'InvalidParameterException',
      message: '5 deployments exist on the service. Unable to create new TaskSet since this exceeds the maximum limit.',
    });
  });

  test.each([
    ['an unknown service', { service: 'other' }, 'ServiceNotFoundException', 'Service not found.'],
    ['an unknown definition', { taskDefinition: 'other' }, 'ClientException', 'TaskDefinition not found.'],
    ['a scale above 100', { scale: { value: 101 } }, 'InvalidParameterException', 'scale.value: expected a percentage'],
    ['a load balancer', { loadBalancers: [{ containerPort: 80 }] }, 'UnsupportedFeatureException', 'Load balancers'],
  ])('refuses %s', async (_what, change, type, message) => {
    const world = await worldWithService();
    const refusal = await world.refusal('CreateTaskSet', { ...place, taskDefinition: 'web', ...change });
    expect(refusal.type).toBe(type);
    expect(refusal.message).toContain(message);
  });

  test('needs a service with an external deployment controller', async () => {
    const world = await apiWorld();
    await world.definition();
    await world.call('CreateService', { serviceName: 'web', taskDefinition: 'web', desiredCount: 1 });
    expect((await world.refusal('CreateTaskSet', { ...place, taskDefinition: 'web' })).message).toBe(
      'Amazon ECS only supports task set management on services configured to use external deployment controllers.',
    );
  });
});

describe('UpdateTaskSet', () => {
  test('changes the scale and makes the task set STABILIZING since now', async () => {
    const world = await worldWithService();
    const { id } = await create(world);
    await world.clock.advance(5000);
    const update = { ...place, taskSet: id, scale: full };
    const { taskSet } = await world.call('UpdateTaskSet', update);
    expect(taskSet).toMatchObject({ scale: full, computedDesiredCount: 3, stabilityStatus: 'STABILIZING' });
    expect(await world.call('UpdateTaskSet', update)).toEqual({ taskSet });
  });

  test.each(['ecs-svc/1', '1', 'arn:aws:ecs:us-east-1:000000000000:task-set/default/other/ecs-svc/1'])(
    'of the unknown %s is a TaskSetNotFoundException',
    async (taskSet) => {
      const world = await worldWithService();
      expect((await world.refusal('UpdateTaskSet', { ...place, taskSet, scale: half })).type).toBe(
        'TaskSetNotFoundException',
      );
    },
  );
});

describe('UpdateServicePrimaryTaskSet', () => {
  test('moves PRIMARY, and the service shows what its primary task set runs', async () => {
    const world = await worldWithService();
    const [blue, green] = [await create(world), await create(world)];
    await world.call('UpdateServicePrimaryTaskSet', { ...place, primaryTaskSet: blue['id'] });
    const { taskSet } = await world.call('UpdateServicePrimaryTaskSet', {
      ...place,
      primaryTaskSet: green['taskSetArn'],
    });
    expect(taskSet).toMatchObject({ id: green['id'], status: 'PRIMARY' });
    const found = await service(world);
    expect(found).toMatchObject({
      taskDefinition: 'arn:aws:ecs:us-east-1:000000000000:task-definition/web:1',
      launchType: 'EC2',
      taskSets: [
        { id: green['id'], status: 'PRIMARY' },
        { id: blue['id'], status: 'ACTIVE' },
      ],
    });
  });
});

describe('DeleteTaskSet', () => {
  test('of one that is scaled to 0 drains it', async () => {
    const world = await worldWithService();
    const { id } = await create(world);
    const { taskSet } = await world.call('DeleteTaskSet', { ...place, taskSet: id });
    expect(taskSet).toMatchObject({ id, status: 'DRAINING', computedDesiredCount: 0 });
    expect(await world.call('DeleteTaskSet', { ...place, taskSet: id })).toEqual({ taskSet });
    expect((await world.refusal('UpdateTaskSet', { ...place, taskSet: id, scale: half })).message).toContain(
      'DRAINING',
    );
  });

  test('of one that is scaled, or PRIMARY, takes force', async () => {
    const world = await worldWithService();
    const { id } = await create(world, { scale: half });
    const request = { ...place, taskSet: id };
    expect((await world.refusal('DeleteTaskSet', request)).message).toContain('scaled above 0');
    await world.call('UpdateTaskSet', { ...request, scale: { value: 0, unit: 'PERCENT' } });
    await world.call('UpdateServicePrimaryTaskSet', { ...place, primaryTaskSet: id });
    expect((await world.refusal('DeleteTaskSet', request)).message).toContain('primary task set cannot be deleted');
    const { taskSet } = await world.call('DeleteTaskSet', { ...request, force: true });
    expect(taskSet?.['status']).toBe('DRAINING');
  });
});

describe('DescribeTaskSets', () => {
  test('answers all, or those that are named, with their tasks counted', async () => {
    const world = await worldWithService();
    const [blue, green] = [await create(world), await create(world)];
    const deploymentId = String(blue['id']);
    await world.store.write((tx) =>
      tx.tasks.putMany([
        aTask({ serviceName: 'web', deploymentId }),
        aTask({ serviceName: 'web', deploymentId, lastStatus: 'PENDING' }),
      ]),
    );
    expect((await described(world))['taskSets']).toHaveLength(2);
    const named = await described(world, { taskSets: [blue['id'], 'ecs-svc/7'] });
    expect(named['taskSets']).toMatchObject([{ id: blue['id'], runningCount: 1, pendingCount: 1 }]);
    expect(named['taskSets']?.[0]).not.toHaveProperty('tags');
    expect(named['failures']).toEqual([
      { arn: 'arn:aws:ecs:us-east-1:000000000000:task-set/default/web/ecs-svc/7', reason: 'MISSING' },
    ]);
    expect(await service(world)).toMatchObject({ runningCount: 1, pendingCount: 1 });
    const tasks = await world.call('ListTasks', { startedBy: deploymentId });
    expect(tasks['taskArns']).toHaveLength(2);
    expect(green['id']).not.toBe(blue['id']);
  });

  test('leave lost tasks out of the count', async () => {
    const world = await worldWithService();
    const { id } = await create(world);
    const place = { serviceName: 'web', deploymentId: String(id) };
    await world.store.write((tx) => tx.tasks.putMany([aTask(place), aTask({ ...place, lostAt: 1 })]));
    expect((await described(world))['taskSets']).toMatchObject([{ runningCount: 1 }]);
  });
});

describe('tags', () => {
  test('of a task set are read and changed by its ARN', async () => {
    const world = await worldWithService();
    const { taskSetArn: resourceArn } = await create(world, { tags: [{ key: 'a', value: 'b' }] });
    await world.call('TagResource', { resourceArn, tags: [{ key: 'c', value: 'd' }] });
    await world.call('UntagResource', { resourceArn, tagKeys: ['a'] });
    expect((await world.call('ListTagsForResource', { resourceArn }))['tags']).toEqual([{ key: 'c', value: 'd' }]);
  });
});

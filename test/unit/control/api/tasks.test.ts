/** Tasks through the API. */
import { describe, expect, test } from 'vitest';
import { apiWorld, type ApiWorld, type Json } from './api-world.ts';

const container = { name: 'main', image: 'busybox', cpu: 100, memory: 64 };

async function worldWithMachine(): Promise<ApiWorld> {
  const world = await apiWorld();
  await world.instance();
  await world.definition();
  return world;
}

async function run(world: ApiWorld, body: object = {}): Promise<Json> {
  return world.call('RunTask', { taskDefinition: 'web', ...body });
}

async function arnsOf(world: ApiWorld, filter: object = {}): Promise<Json | undefined> {
  return (await world.call('ListTasks', filter))['taskArns'];
}

describe('RunTask', () => {
  test('places tasks as PENDING, with what was asked', async () => {
    const world = await worldWithMachine();
    const overrides = {
      containerOverrides: [{ name: 'main', command: ['true'], environment: [{ name: 'A', value: '1' }] }],
    };
    const { tasks, failures } = await run(world, {
      count: 2,
      startedBy: 'me',
      group: 'batch',
      overrides,
      tags: [{ key: 'a', value: 'b' }],
    });
    expect(failures).toEqual([]);
    expect(tasks).toHaveLength(2);
    expect(tasks?.[0]).toMatchObject({
      clusterArn: 'arn:aws:ecs:us-east-1:000000000000:cluster/default',
      taskDefinitionArn: 'arn:aws:ecs:us-east-1:000000000000:task-definition/web:1',
      desiredStatus: 'RUNNING',
      lastStatus: 'PENDING',
      launchType: 'EC2',
      group: 'batch',
      startedBy: 'me',
      cpu: '100',
      memory: '64',
      overrides,
      tags: [{ key: 'a', value: 'b' }],
      containers: [{ name: 'main', lastStatus: 'PENDING' }],
    });
  });

  test('answers with failures, and 200, when nothing fits', async () => {
    const world = await worldWithMachine();
    await world.definition('huge', { containerDefinitions: [{ ...container, memory: 100_000 }] });
    const { tasks, failures } = await run(world, { taskDefinition: 'huge' });
    expect(tasks).toEqual([]);
    expect(failures).toMatchObject([{ reason: 'RESOURCE:MEMORY' }]);
  });

  test('names the capability that no machine has', async () => {
    const world = await worldWithMachine();
    await world.definition('secret', {
      containerDefinitions: [{ ...container, secrets: [{ name: 'A', valueFrom: 'x' }] }],
    });
    const { failures } = await run(world, { taskDefinition: 'secret' });
    expect(failures?.[0]?.['reason']).toBe('ATTRIBUTE');
    expect(failures?.[0]?.['detail']).toContain('ecs.capability.secrets.ssm.environment-variables');
  });

  test('counts what overrides ask of a host', async () => {
    const world = await worldWithMachine();
    const { failures } = await run(world, { overrides: { taskRoleArn: 'arn:aws:iam::000000000000:role/x' } });
    expect(failures?.[0]?.['detail']).toContain('task-iam-role');
  });

  test('does once what is asked twice with one client token', async () => {
    const world = await worldWithMachine();
    const first = await run(world, { clientToken: 'once', count: 2 });
    const second = await run(world, { count: 2, clientToken: 'once' });
    expect(second['tasks']).toEqual(first['tasks']);
    expect(await arnsOf(world)).toHaveLength(2);
    const refusal = await world.ask('RunTask', { taskDefinition: 'web', clientToken: 'once', count: 3 });
    expect(refusal).toMatchObject({ status: 400, body: { __type: 'ConflictException' } });
    expect(refusal.body['resourceIds']).toHaveLength(2);
    await world.clock.advance(25 * 3_600_000);
    await run(world, { clientToken: 'once' });
    expect(await arnsOf(world)).toHaveLength(3);
  });

  test('takes tags from the definition when asked, and adds ECS’s own', async () => {
    const world = await worldWithMachine();
    await world.definition('tagged', {
      tags: [
        { key: 'a', value: 'definition' },
        { key: 'b', value: 'definition' },
      ],
    });
    const { tasks } = await run(world, {
      taskDefinition: 'tagged',
      propagateTags: 'TASK_DEFINITION',
      enableECSManagedTags: true,
      tags: [{ key: 'a', value: 'request' }],
    });
    expect(tasks?.[0]?.['tags']).toEqual([
      { key: 'a', value: 'request' },
      { key: 'b', value: 'definition' },
      { key: 'aws:ecs:clusterName', value: 'default' },
    ]);
  });

  test.each([
    ['an unknown family', { taskDefinition: 'nothing' }, 'ClientException', 'TaskDefinition not found.'],
    [
      'more than ten',
      { count: 11 },
      'InvalidParameterException',
      'count: expected a whole number from 1 to 10, got 11',
    ],
    ['none', { count: 0 }, 'InvalidParameterException', 'count: expected'],
    ['no definition', { taskDefinition: undefined }, 'InvalidParameterException', 'taskDefinition: is required'],
    [
      'a count that is text',
      { count: '1' },
      'SerializationException',
      'STRING_VALUE can not be converted to an Integer',
    ],
    [
      'a container that is not there',
      { overrides: { containerOverrides: [{ name: 'x' }] } },
      'InvalidParameterException',
      'Override for container named x is not a container in the TaskDefinition.',
    ],
    [
      'a cpu that is no number',
      { overrides: { cpu: 'banana' } },
      'ClientException',
      "Invalid 'cpu' setting for task: 'banana'.",
    ],
    [
      'overrides without end',
      { overrides: { containerOverrides: [{ name: 'main', command: ['x'.repeat(9000)] }] } },
      'InvalidParameterException',
      '8192',
    ],
    [
      'a launch type that does not fit',
      { launchType: 'FARGATE' },
      'InvalidParameterException',
      'Task definition does not support launch_type FARGATE.',
    ],
    ['a service’s group', { group: 'service:web' }, 'InvalidParameterException', 'Invalid namespace for group.'],
    [
      'a network without awsvpc',
      { networkConfiguration: { awsvpcConfiguration: { subnets: ['a'] } } },
      'InvalidParameterException',
      'Network Configuration is not valid',
    ],
    [
      'a broken expression',
      { placementConstraints: [{ type: 'memberOf', expression: 'a ==' }] },
      'InvalidParameterException',
      'Invalid placement expression',
    ],
    [
      'an expression that breaks off',
      { placementConstraints: [{ type: 'memberOf', expression: 'attribute:a == x and (agentConnected == true' }] },
      'InvalidParameterException',
      "Invalid placement expression at character 44: expected ')'.",
    ],
    [
      'an expression without end',
      { placementConstraints: [{ type: 'memberOf', expression: `attribute:a == ${'x'.repeat(2000)}` }] },
      'InvalidParameterException',
      'placementConstraints[0].expression: expected at most 2000 characters',
    ],
    [
      'more than ten constraints',
      { placementConstraints: Array.from({ length: 11 }, () => ({ type: 'distinctInstance' })) },
      'InvalidParameterException',
      'placementConstraints: expected at most 10 items, got 11 items',
    ],
    [
      'an unknown constraint',
      { placementConstraints: [{ type: 'nearby' }] },
      'InvalidParameterException',
      'placementConstraints[0].type: expected one of distinctInstance, memberOf, got "nearby"',
    ],
    [
      'an expression for distinctInstance',
      { placementConstraints: [{ type: 'distinctInstance', expression: 'attribute:a exists' }] },
      'InvalidParameterException',
      'distinctInstance takes no expression',
    ],
    [
      'more than five strategies',
      { placementStrategy: Array.from({ length: 6 }, () => ({ type: 'random' })) },
      'InvalidParameterException',
      'placementStrategy: expected at most 5 items, got 6 items',
    ],
    [
      'an unknown strategy',
      { placementStrategy: [{ type: 'cheapest' }] },
      'InvalidParameterException',
      'placementStrategy[0].type: expected one of random, spread, binpack, got "cheapest"',
    ],
    [
      'spread over nothing that there is',
      { placementStrategy: [{ type: 'spread', field: 'mood' }] },
      'InvalidParameterException',
      "spread takes field instanceId, host or attribute:<name>, not 'mood'",
    ],
    [
      'binpack by nothing',
      { placementStrategy: [{ type: 'binpack', field: 'luck' }] },
      'InvalidParameterException',
      'binpack',
    ],
    [
      'a capacity provider that the cluster does not have',
      { capacityProviderStrategy: [{ capacityProvider: 'x', weight: 1 }] },
      'InvalidParameterException',
      'not associated with the cluster',
    ],
    [
      'a long startedBy',
      { startedBy: 'x'.repeat(129) },
      'InvalidParameterException',
      'startedBy: expected at most 128 characters',
    ],
  ])('refuses %s and starts nothing', async (_what, change, type, message) => {
    const world = await worldWithMachine();
    const refusal = await world.refusal('RunTask', { taskDefinition: 'web', ...change });
    expect(refusal.type).toBe(type);
    expect(refusal.message).toContain(message);
    expect(await arnsOf(world)).toEqual([]);
  });

  test('needs a machine in the cluster', async () => {
    const world = await apiWorld();
    await world.definition();
    expect(await world.refusal('RunTask', { taskDefinition: 'web' })).toEqual({
      type: 'InvalidParameterException',
      message: 'No Container Instances were found in your cluster.',
    });
  });

  test('asks for a network with awsvpc', async () => {
    const world = await worldWithMachine();
    await world.definition('vpc', { networkMode: 'awsvpc' });
    expect((await world.refusal('RunTask', { taskDefinition: 'vpc' })).message).toBe(
      "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    );
    const networkConfiguration = { awsvpcConfiguration: { subnets: ['subnet-1'] } };
    const { failures } = await run(world, { taskDefinition: 'vpc', networkConfiguration });
    expect(failures?.[0]?.['detail']).toContain('ecs.capability.task-eni');
  });
});

describe('StartTask', () => {
  test('starts one task on each instance named, and tells those it cannot', async () => {
    const world = await worldWithMachine();
    const other = await world.instance();
    const { tasks, failures } = await world.call('StartTask', {
      taskDefinition: 'web',
      containerInstances: [other.containerInstanceArn, 'f'.repeat(32)],
    });
    expect(tasks).toMatchObject([{ containerInstanceArn: other.containerInstanceArn }]);
    expect(failures).toMatchObject([{ reason: 'MISSING' }]);
  });
});

describe('StopTask', () => {
  test('asks the task to stop, keeps the first reason, and may be repeated', async () => {
    const world = await worldWithMachine();
    const arn = (await run(world))['tasks']?.[0]?.['taskArn'];
    await world.report(arn, { lastStatus: 'RUNNING' });
    const stopped = await world.call('StopTask', { task: arn, reason: 'enough' });
    expect(stopped['task']).toMatchObject({
      desiredStatus: 'STOPPED',
      lastStatus: 'RUNNING',
      stopCode: 'UserInitiated',
      stoppedReason: 'enough',
    });
    const again = await world.call('StopTask', { task: String(arn).split('/').at(-1), reason: 'again' });
    expect(again['task']?.['stoppedReason']).toBe('enough');
    expect(await arnsOf(world)).toEqual([]);
    expect(await arnsOf(world, { desiredStatus: 'STOPPED' })).toEqual([arn]);
  });

  test('of an unknown task is an error', async () => {
    const world = await worldWithMachine();
    expect(await world.refusal('StopTask', { task: 'nothing' })).toEqual({
      type: 'InvalidParameterException',
      message: 'The referenced task was not found.',
    });
  });
});

describe('DescribeTasks', () => {
  test('gives what is there in the order asked, and the rest as failures', async () => {
    const world = await worldWithMachine();
    const arns = JSON.parse(JSON.stringify((await run(world, { count: 2, tags: [{ key: 'a' }] }))['tasks'])).map(
      (task: Json) => task['taskArn'],
    );
    const elsewhere = 'arn:aws:ecs:us-east-1:000000000000:task/other/0123456789abcdef0123456789abcdef';
    const { tasks, failures } = await world.call('DescribeTasks', { tasks: [arns[1], 'nothing', arns[0], elsewhere] });
    expect(tasks).toMatchObject([{ taskArn: arns[1], tags: [] }, { taskArn: arns[0] }]);
    expect(failures).toEqual([
      { arn: 'arn:aws:ecs:us-east-1:000000000000:task/default/nothing', reason: 'MISSING' },
      { arn: elsewhere, reason: 'MISSING' },
    ]);
    const tagged = await world.call('DescribeTasks', { tasks: [arns[0]], include: ['TAGS'] });
    expect(tagged['tasks']?.[0]?.['tags']).toEqual([{ key: 'a' }]);
  });
});

describe('ListTasks', () => {
  test('filters by instance, family, service, starter, launch type and desired status', async () => {
    const world = await worldWithMachine();
    await world.definition('db');
    const web = (await run(world, { startedBy: 'me' }))['tasks']?.[0];
    const db = (await run(world, { taskDefinition: 'db' }))['tasks']?.[0];
    const webArn = web?.['taskArn'];
    const dbArn = db?.['taskArn'];
    expect(await arnsOf(world, { family: 'db' })).toEqual([dbArn]);
    expect(await arnsOf(world, { startedBy: 'me' })).toEqual([webArn]);
    expect(await arnsOf(world, { containerInstance: web?.['containerInstanceArn'] })).toHaveLength(2);
    expect(await arnsOf(world, { launchType: 'EC2' })).toHaveLength(2);
    expect(await arnsOf(world, { launchType: 'FARGATE' })).toEqual([]);
    expect(await arnsOf(world, { desiredStatus: 'PENDING' })).toEqual([]);
    await world.call('CreateService', { serviceName: 'web', taskDefinition: 'web', desiredCount: 0 });
    await world.report(dbArn, { serviceName: 'web' });
    expect(await arnsOf(world, { serviceName: 'web' })).toEqual([dbArn]);
    expect((await world.refusal('ListTasks', { serviceName: 'nothing' })).type).toBe('ServiceNotFoundException');
    expect((await world.refusal('ListTasks', { containerInstance: 'nothing' })).message).toBe(
      'Referenced container instance not found.',
    );
  });

  test('comes in pages', async () => {
    const world = await worldWithMachine();
    await run(world, { count: 5 });
    const first = await world.call('ListTasks', { maxResults: 3 });
    const second = await world.call('ListTasks', { maxResults: 3, nextToken: first['nextToken'] });
    expect(first['taskArns']).toHaveLength(3);
    expect(second['taskArns']).toHaveLength(2);
    expect(second['nextToken']).toBeUndefined();
    expect((await world.refusal('ListTasks', { family: 'web', nextToken: first['nextToken'] })).type).toBe(
      'InvalidParameterException',
    );
  });
});

/** Task definitions through the API. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { apiWorld } from './api-world.ts';

const container = { name: 'main', image: 'busybox', memory: 64 };
const arnOf = (name: string): string => `arn:aws:ecs:us-east-1:000000000000:task-definition/${name}`;

describe('registering', () => {
  test('makes the next revision of the family each time, also of the same content', async () => {
    const world = await apiWorld();
    expect(await world.definition('web')).toBe(arnOf('web:1'));
    expect(await world.definition('web')).toBe(arnOf('web:2'));
    expect(await world.definition('db')).toBe(arnOf('db:1'));
  });

  test('keeps every field and says what the definition needs', async () => {
    const world = await apiWorld();
    const text = readFileSync(new URL('../../../support/fixtures/web-api.json', import.meta.url), 'utf8');
    const body = JSON.parse(text);
    await world.call('RegisterTaskDefinition', { ...body, tags: [{ key: 'team', value: 'api' }] });
    const described = await world.call('DescribeTaskDefinition', { taskDefinition: 'web-api', include: ['TAGS'] });
    expect(described['tags']).toEqual([{ key: 'team', value: 'api' }]);
    expect(described['taskDefinition']).toMatchObject({
      ...body,
      taskDefinitionArn: arnOf('web-api:1'),
      revision: 1,
      status: 'ACTIVE',
      compatibilities: ['EC2', 'FARGATE'],
      registeredBy: 'arn:aws:iam::000000000000:user/admin',
      registeredAt: 1_767_225_600,
    });
    expect(described['taskDefinition']?.['containerDefinitions']).toEqual(body.containerDefinitions);
    expect(described['taskDefinition']?.['requiresAttributes']).toContainEqual({ name: 'ecs.capability.task-eni' });
  });

  test('a revision number is never used twice', async () => {
    const world = await apiWorld();
    await world.definition('web');
    await world.call('DeregisterTaskDefinition', { taskDefinition: 'web:1' });
    await world.call('DeleteTaskDefinitions', { taskDefinitions: ['web:1'] });
    expect(await world.definition('web')).toBe(arnOf('web:2'));
  });

  test.each([
    [
      'no containers',
      { containerDefinitions: [] },
      'InvalidParameterException',
      'containerDefinitions: expected at least one item',
    ],
    ['a cpu that is no number', { cpu: 'banana' }, 'ClientException', "Invalid 'cpu' setting for task: 'banana'"],
    [
      'two containers of one name',
      { containerDefinitions: [container, container] },
      'ClientException',
      "Container name 'main' is used more than once",
    ],
    [
      'port 70000',
      { containerDefinitions: [{ ...container, portMappings: [{ containerPort: 70_000 }] }] },
      'InvalidParameterException',
      'containerDefinitions[0].portMappings[0].containerPort: expected a whole number from 0 to 65535, got 70000',
    ],
    [
      'a memory of the wrong type',
      { containerDefinitions: [{ ...container, memory: '64' }] },
      'SerializationException',
      'STRING_VALUE can not be converted to an Integer',
    ],
    ['a family with spaces', { family: 'my web' }, 'InvalidParameterException', 'family'],
    ['a NUL', { taskRoleArn: 'a\0b' }, 'InvalidParameterException', 'The request holds a NUL character'],
    ['an unknown field', { containerDefinition: [] }, 'InvalidParameterException', 'containerDefinition'],
    [
      'a placement constraint that does not parse',
      { placementConstraints: [{ type: 'memberOf', expression: '((' }] },
      'InvalidParameterException',
      'Invalid placement expression',
    ],
  ])('refuses %s and leaves nothing behind', async (_what, change, type, message) => {
    const world = await apiWorld();
    const refusal = await world.refusal('RegisterTaskDefinition', {
      family: 'web',
      containerDefinitions: [container],
      ...change,
    });
    expect(refusal.type).toBe(type);
    expect(refusal.message).toContain(message);
    expect((await world.call('ListTaskDefinitions'))['taskDefinitionArns']).toEqual([]);
  });
});

describe('describing', () => {
  test('a family means its latest ACTIVE revision', async () => {
    const world = await apiWorld();
    for (let made = 0; made < 3; made += 1) await world.definition('web');
    await world.call('DeregisterTaskDefinition', { taskDefinition: 'web:3' });
    const revisionOf = async (taskDefinition: string) =>
      (await world.call('DescribeTaskDefinition', { taskDefinition }))['taskDefinition']?.['revision'];
    expect(await revisionOf('web')).toBe(2);
    expect(await revisionOf('web:3')).toBe(3);
    expect(await revisionOf(arnOf('web:1'))).toBe(1);
  });

  test.each(['nothing', 'web:9', arnOf('web:9'), 'arn:aws:ecs:eu-west-1:000000000000:task-definition/web:1'])(
    '%s is not there',
    async (taskDefinition) => {
      const world = await apiWorld();
      await world.definition('web');
      expect(await world.refusal('DescribeTaskDefinition', { taskDefinition })).toEqual({
        type: 'ClientException',
        message: 'Unable to describe task definition.',
      });
    },
  );

  test.each(['web:banana', 'arn:aws:ecs:us-east-1:000000000000:task/web', 'a b'])(
    '%s names nothing',
    async (taskDefinition) => {
      const world = await apiWorld();
      expect((await world.refusal('DescribeTaskDefinition', { taskDefinition })).type).toBe(
        'InvalidParameterException',
      );
    },
  );
});

describe('listing', () => {
  test('goes by family, status and number, in either order, in pages', async () => {
    const world = await apiWorld();
    for (let made = 0; made < 11; made += 1) await world.definition('web');
    await world.definition('web-api');
    await world.call('DeregisterTaskDefinition', { taskDefinition: 'web:4' });
    const revisions = async (body: object) =>
      JSON.stringify(
        (await world.call('ListTaskDefinitions', { familyPrefix: 'web', ...body }))['taskDefinitionArns'],
      ).match(/\d+(?=")/g);
    expect(await revisions({})).toEqual(['1', '2', '3', '5', '6', '7', '8', '9', '10', '11']);
    expect(await revisions({ sort: 'DESC', maxResults: 2 })).toEqual(['11', '10']);
    expect(await revisions({ status: 'INACTIVE' })).toEqual(['4']);
    const first = await world.call('ListTaskDefinitions', { familyPrefix: 'web', sort: 'DESC', maxResults: 2 });
    expect(await revisions({ sort: 'DESC', maxResults: 2, nextToken: first['nextToken'] })).toEqual(['9', '8']);
  });

  test('families go by prefix and by whether a revision is ACTIVE', async () => {
    const world = await apiWorld();
    for (const family of ['api', 'web', 'web-api']) await world.definition(family);
    await world.call('DeregisterTaskDefinition', { taskDefinition: 'web:1' });
    const families = async (body: object) => (await world.call('ListTaskDefinitionFamilies', body))['families'];
    expect(await families({})).toEqual(['api', 'web-api']);
    expect(await families({ familyPrefix: 'web' })).toEqual(['web-api']);
    expect(await families({ status: 'INACTIVE' })).toEqual(['web']);
    expect(await families({ familyPrefix: 'web', status: 'ALL' })).toEqual(['web', 'web-api']);
  });
});

describe('giving up', () => {
  test('a deregistered revision is INACTIVE, and stays so when deregistered again', async () => {
    const world = await apiWorld();
    await world.definition('web');
    const first = await world.call('DeregisterTaskDefinition', { taskDefinition: 'web:1' });
    expect(first['taskDefinition']).toMatchObject({ status: 'INACTIVE', deregisteredAt: 1_767_225_600 });
    expect(await world.call('DeregisterTaskDefinition', { taskDefinition: 'web:1' })).toEqual(first);
    expect(await world.refusal('RunTask', { taskDefinition: 'web:1' })).toEqual({
      type: 'ClientException',
      message: 'TaskDefinition is inactive',
    });
  });

  test('needs a revision that is there', async () => {
    const world = await apiWorld();
    await world.definition('web');
    expect((await world.refusal('DeregisterTaskDefinition', { taskDefinition: 'web' })).type).toBe(
      'InvalidParameterException',
    );
    expect((await world.refusal('DeregisterTaskDefinition', { taskDefinition: 'web:7' })).type).toBe('ClientException');
  });

  test('deletes only what was deregistered, and tells the rest as failures', async () => {
    const world = await apiWorld();
    for (let made = 0; made < 2; made += 1) await world.definition('web');
    await world.call('DeregisterTaskDefinition', { taskDefinition: 'web:1' });
    const { taskDefinitions, failures } = await world.call('DeleteTaskDefinitions', {
      taskDefinitions: ['web:1', 'web:2', 'web:3'],
    });
    expect(taskDefinitions).toMatchObject([{ revision: 1, status: 'DELETE_IN_PROGRESS' }]);
    expect(failures).toMatchObject([{ arn: arnOf('web:2') }, { arn: 'web:3' }]);
  });
});

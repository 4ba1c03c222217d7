/** UpdateTaskProtection and GetTaskProtection. */
import { beforeEach, describe, expect, test } from 'vitest';
import { apiWorld, type ApiWorld, type Json } from './api-world.ts';

let world: ApiWorld;

beforeEach(async () => {
  world = await apiWorld();
  await world.instance();
  await world.definition();
});

async function tasksOfService(desiredCount = 1): Promise<string[]> {
  await world.call('CreateService', { serviceName: 'web', taskDefinition: 'web', desiredCount });
  const { tasks } = await world.call('RunTask', { taskDefinition: 'web', count: desiredCount });
  const arns = [...(tasks as unknown as Json[])].map((task) => String(task['taskArn']));
  for (const arn of arns) await world.report(arn, { serviceName: 'web', lastStatus: 'RUNNING' });
  return arns;
}

const update = (body: object): Promise<Json> => world.call('UpdateTaskProtection', { cluster: 'default', ...body });
const get = (tasks: unknown[]): Promise<Json> => world.call('GetTaskProtection', { cluster: 'default', tasks });

test('protects for two hours, or as long as was said, and forgets it when that is over', async () => {
  const [taskArn = ''] = await tasksOfService();
  const now = world.clock.now();
  expect(await get([taskArn])).toEqual({ protectedTasks: [{ taskArn, protectionEnabled: false }], failures: [] });
  expect(await update({ tasks: [taskArn], protectionEnabled: true })).toEqual({
    protectedTasks: [{ taskArn, protectionEnabled: true, expirationDate: now / 1000 + 7200 }],
    failures: [],
  });
  const shorter = { tasks: [taskArn.slice(-32)], protectionEnabled: true, expiresInMinutes: 1 };
  const { protectedTasks } = await update(shorter);
  expect(protectedTasks?.[0]?.['expirationDate']).toBe(now / 1000 + 60);
  expect(await get([taskArn])).toEqual({ protectedTasks, failures: [] });
  await world.clock.advance(60_000);
  expect(await get([taskArn])).toEqual({ protectedTasks: [{ taskArn, protectionEnabled: false }], failures: [] });
});

test('takes a protection back', async () => {
  const [taskArn = ''] = await tasksOfService();
  await update({ tasks: [taskArn], protectionEnabled: true });
  expect(await update({ tasks: [taskArn], protectionEnabled: false })).toMatchObject({
    protectedTasks: [{ protectionEnabled: false }],
  });
  expect(await get([taskArn])).toMatchObject({ protectedTasks: [{ taskArn, protectionEnabled: false }] });
});

test('one task that cannot be protected keeps no other from it', async () => {
  const [mine = ''] = await tasksOfService();
  const { tasks } = await world.call('RunTask', { taskDefinition: 'web' });
  const standalone = String(tasks?.[0]?.['taskArn']);
  const unknown = mine.slice(0, -4) + 'ffff';
  const asked = [standalone, mine, unknown];
  const failures = [
    { arn: unknown, reason: 'MISSING' },
    { arn: standalone, reason: 'TASK_NOT_VALID', detail: 'The task does not belong to a service.' },
  ];
  const protectedTasks = [{ taskArn: mine, protectionEnabled: true }];
  expect(await update({ tasks: asked, protectionEnabled: true })).toMatchObject({ protectedTasks, failures });
  expect(await get(asked)).toMatchObject({ protectedTasks, failures });
});

test('a lost task cannot be protected: nobody could keep the promise', async () => {
  const [taskArn = ''] = await tasksOfService();
  await world.report(taskArn, { lostAt: world.clock.now() });
  const { failures } = await update({ tasks: [taskArn], protectionEnabled: true });
  expect(failures).toMatchObject([
    { arn: taskArn, reason: 'TASK_NOT_VALID', detail: expect.stringContaining('The task is lost') },
  ]);
});

test('more protected tasks than wanted ones block further protection', async () => {
  const [first, second, third] = await tasksOfService(3);
  await update({ tasks: [first, second], protectionEnabled: true });
  await world.call('UpdateService', { service: 'web', desiredCount: 1 });
  const { failures } = await update({ tasks: [third], protectionEnabled: true });
  expect(failures).toMatchObject([{ arn: third, reason: 'DEPLOYMENT_BLOCKED' }]);
});

test('StopTask ends a protected task', async () => {
  const [taskArn = ''] = await tasksOfService();
  await update({ tasks: [taskArn], protectionEnabled: true });
  const { task } = await world.call('StopTask', { task: taskArn });
  expect(task).toMatchObject({ desiredStatus: 'STOPPED', stopCode: 'UserInitiated' });
  expect(await update({ tasks: [taskArn], protectionEnabled: true })).toMatchObject({
    failures: [{ reason: 'TASK_NOT_VALID', detail: 'The task is stopping or has stopped.' }],
  });
});

describe('a request', () => {
  const cluster = 'default';
  test.each([
    ['no cluster', { tasks: ['a'], protectionEnabled: true }],
    ['no tasks', { cluster, tasks: [], protectionEnabled: true }],
    ['too many tasks', { cluster, tasks: Array(11).fill('a'), protectionEnabled: true }],
    ['no wish', { cluster, tasks: ['a'] }],
    ['no minute', { cluster, tasks: ['a'], protectionEnabled: true, expiresInMinutes: 0 }],
    ['too many minutes', { cluster, tasks: ['a'], protectionEnabled: true, expiresInMinutes: 2881 }],
  ])('with %s is refused', async (_, body) => {
    expect((await world.ask('UpdateTaskProtection', body)).status).toBe(400);
  });

  test('about a cluster that is not there is refused', async () => {
    const body = { cluster: 'nowhere', tasks: ['a'] };
    expect((await world.refusal('GetTaskProtection', body)).type).toBe('ClusterNotFoundException');
  });
});

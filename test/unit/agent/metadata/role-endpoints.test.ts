import { describe, expect, test } from 'vitest';
import { someTaskArn } from '#test/support/builders/an-agent-task.ts';
import { aRunningTask, idOf, openEndpoints } from './local-endpoints-world.ts';

const task = aRunningTask();
const app = idOf(someTaskArn, 'app');
const protection = `/api/${app}/task-protection/v1/state`;
const { ask, json } = openEndpoints({ tasks: [task] });

describe('task protection', () => {
  test('is denied to a task without a role, whether it asks or wants', async () => {
    const denied = { status: 403, json: { error: { Arn: someTaskArn, Code: 'AccessDeniedException' } } };
    expect(await ask(protection)).toMatchObject(denied);
    expect(await ask(protection, { method: 'PUT', body: '{"ProtectionEnabled":true}' })).toMatchObject(denied);
    const timed = '{"ProtectionEnabled":true,"ExpiresInMinutes":60}';
    expect(await ask(protection, { method: 'PUT', body: timed })).toMatchObject(denied);
  });

  test.each(['', 'nonsense', '{}', '{"ProtectionEnabled":"yes"}', '{"ProtectionEnabled":true,"Other":1}'])(
    'is not asked for with %j',
    async (body) => {
      expect(await ask(protection, { method: 'PUT', body })).toMatchObject({
        status: 400,
        json: { error: { Arn: someTaskArn, Code: 'InvalidParameterException' } },
      });
    },
  );

  test('of an unknown caller is not found', async () => {
    expect(await ask('/api/unknown/task-protection/v1/state')).toMatchObject({ status: 404 });
  });
});

test('faults are not injected into a task that does not allow it', async () => {
  const fault = `/api/${app}/fault/v1/network-latency/start`;
  expect(await ask(fault, { method: 'POST', body: '{}' })).toMatchObject({ status: 400 });
});

test.each([
  ['/v2/credentials', 'NoIdInRequest'],
  ['/v1/credentials', 'NoIdInRequest'],
  ['/v2/credentials/some', 'InvalidIdInRequest'],
  ['/v1/credentials?id=some', 'InvalidIdInRequest'],
])('%s is %s', async (path, code) => {
  expect(await json(path)).toEqual({ code, message: expect.any(String), HTTPErrorCode: 400 });
});

import { expect, test } from 'vitest';
import { someTaskArn } from '#test/support/builders/an-agent-task.ts';
import { aRunningTask, idOf, openEndpoints } from './local-endpoints-world.ts';

const task = aRunningTask();
const app = idOf(someTaskArn, 'app');
const { ask, json } = openEndpoints({ tasks: [task] });

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

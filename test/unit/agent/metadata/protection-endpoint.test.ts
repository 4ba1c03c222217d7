/** `$ECS_AGENT_URI/task-protection/v1/state`, with the answers of ecs-agent. */
import { describe, expect, test } from 'vitest';
import type { ProtectionResult, ProtectionWish } from '#agent/session/protection-requests.ts';
import { someTaskArn } from '#test/support/builders/an-agent-task.ts';
import { aRunningTask, idOf, openEndpoints } from './local-endpoints-world.ts';

const task = aRunningTask();
const path = `/api/${idOf(someTaskArn, 'app')}/task-protection/v1/state`;
const until = 1_767_225_600_500;

function endpoint(result: ProtectionResult) {
  const wishes: ProtectionWish[] = [];
  const world = openEndpoints({
    tasks: [task],
    protect(wish) {
      wishes.push(wish);
      return Promise.resolve(result);
    },
  });
  const put = (body: string) => world.ask(path, { method: 'PUT', body });
  return { ...world, put, wishes };
}

describe('what the task is', () => {
  test('protected, until when', async () => {
    const { ask, put, wishes } = endpoint({ kind: 'protection', until });
    const answer = {
      status: 200,
      json: { protection: { ExpirationDate: '2026-01-01T00:00:00Z', ProtectionEnabled: true, TaskArn: someTaskArn } },
    };
    expect(await ask(path)).toEqual(answer);
    expect(await put('{"ProtectionEnabled":true,"ExpiresInMinutes":60}')).toEqual(answer);
    expect(await put('{"protectionEnabled":true,"expiresInMinutes":null}')).toEqual(answer);
    expect(wishes).toEqual([
      { taskArn: someTaskArn },
      { taskArn: someTaskArn, change: { protectionEnabled: true, expiresInMinutes: 60 } },
      { taskArn: someTaskArn, change: { protectionEnabled: true } },
    ]);
  });

  test('not protected', async () => {
    const { put } = endpoint({ kind: 'protection' });
    expect(await put('{"ProtectionEnabled":false}')).toEqual({
      status: 200,
      json: { protection: { ExpirationDate: null, ProtectionEnabled: false, TaskArn: someTaskArn } },
    });
  });

  test('nothing that can be protected', async () => {
    const { ask } = endpoint({ kind: 'failure', reason: 'TASK_NOT_VALID' });
    expect(await ask(path)).toEqual({
      status: 200,
      json: { failure: { Arn: someTaskArn, Detail: null, Reason: 'TASK_NOT_VALID' } },
    });
  });
});

describe('an error', () => {
  test.each<[ProtectionResult, number, string]>([
    [{ kind: 'timeout' }, 504, 'RequestCanceled'],
    [{ kind: 'error', message: 'the database' }, 500, 'ServerException'],
    [{ kind: 'tooMany' }, 400, 'ThrottlingException'],
  ])('of control: %j is %i %s', async (result, status, code) => {
    const { ask } = endpoint(result);
    expect(await ask(path)).toMatchObject({ status, json: { error: { Arn: someTaskArn, Code: code } } });
  });

  test.each([
    '',
    'nonsense',
    '[]',
    '{}',
    '{"ProtectionEnabled":"yes"}',
    '{"ProtectionEnabled":true,"Other":1}',
    '{"ProtectionEnabled":true,"ExpiresInMinutes":0}',
    '{"ProtectionEnabled":true,"ExpiresInMinutes":2881}',
  ])('of the caller: %j asks control nothing', async (body) => {
    const { put, wishes } = endpoint({ kind: 'protection' });
    expect(await put(body)).toMatchObject({
      status: 400,
      json: { error: { Arn: someTaskArn, Code: 'InvalidParameterException' } },
    });
    expect(wishes).toEqual([]);
  });

  test('of an unknown caller', async () => {
    const { ask } = endpoint({ kind: 'protection' });
    const answer = { status: 404, json: { error: { Arn: '', Code: 'ResourceNotFoundException' } } };
    expect(await ask('/api/unknown/task-protection/v1/state')).toMatchObject(answer);
  });

  test('of one that asks more than ten times a second', async () => {
    const { ask, clock, wishes } = endpoint({ kind: 'protection' });
    for (let count = 0; count < 10; count++) expect(await ask(path)).toMatchObject({ status: 200 });
    const tooMany = { status: 400, json: { error: { Code: 'ThrottlingException' } } };
    expect(await ask(path)).toMatchObject(tooMany);
    expect(wishes).toHaveLength(10);
    await clock.advance(100);
    expect(await ask(path)).toMatchObject({ status: 200 });
  });
});

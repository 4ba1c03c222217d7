import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createEndpointIds, createEndpointLookup, endpointSecretIn } from '#agent/metadata/endpoint-ids.ts';
import type { AgentTask } from '#agent/tasks/agent-task.ts';
import { systemIds } from '#lib/ids.ts';
import { anAgentTask, someTaskArn } from '#test/support/builders/an-agent-task.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-endpoint-ids-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('the secret is made once, and nobody else may read it', () => {
  const secret = endpointSecretIn(folder, systemIds);
  expect(endpointSecretIn(folder, systemIds)).toBe(secret);
  expect(statSync(join(folder, 'endpoint-secret')).mode & 0o777).toBe(0o600);
});

test('an id is the same for the same container and secret, and for no other', () => {
  const { idOf } = createEndpointIds('a secret');
  expect(idOf(someTaskArn, 'app')).toBe(createEndpointIds('a secret').idOf(someTaskArn, 'app'));
  const others = [
    idOf(someTaskArn, 'side'),
    idOf(`${someTaskArn}1`, 'app'),
    createEndpointIds('another').idOf(someTaskArn, 'app'),
  ];
  expect(others).not.toContain(idOf(someTaskArn, 'app'));
});

test('a container is found as long as the agent has its task', () => {
  const ids = createEndpointIds('a secret');
  const tasks: AgentTask[] = [];
  const find = createEndpointLookup(ids, () => tasks);
  const id = ids.idOf(someTaskArn, 'app');
  expect(find(id)).toBeUndefined();
  tasks.push(anAgentTask());
  expect(find(id)?.container.name).toBe('app');
  tasks.pop();
  expect(find(id)).toBeUndefined();
});

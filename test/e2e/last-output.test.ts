/** A container that fails leaves its last lines with its stop, also after it is gone from its host. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { RunTaskCommand, waitUntilTasksStopped } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testKey } from '#test/support/processes.ts';
import { openRealCell, type RealCell } from '#test/support/real-cell.ts';

let cell: RealCell;
beforeAll(async () => {
  cell = await openRealCell();
});
afterAll(async () => {
  await cell.close();
});

async function berth(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [resolve('dist/main.js'), ...args], {
    env: {
      ...process.env,
      AWS_ENDPOINT_URL: cell.url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: testKey.accessKeyId,
      AWS_SECRET_ACCESS_KEY: testKey.secretAccessKey,
    },
  });
  return stdout;
}

it('is shown by `berth task show`, and is not among ECS’s own answers', async () => {
  // The engine keeps no order between the two streams of a container.
  await cell.register('fails', { command: ['sh', '-c', 'echo starting >&2; echo "no database" >&2; exit 3'] });
  const { tasks: [{ taskArn = '' } = {}] = [] } = await cell.ecs.send(new RunTaskCommand({ taskDefinition: 'fails' }));
  await waitUntilTasksStopped({ client: cell.ecs, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { tasks: [taskArn] });
  for (const { id } of await cell.containers()) await cell.engine.remove(id);

  expect(await berth('task', 'show', taskArn)).toContain('last output of main:\n  starting\n  no database');
  expect(JSON.parse(await berth('--output', 'json', 'task', 'show', taskArn))).toMatchObject({
    lastOutput: [{ name: 'main', lines: ['starting', 'no database'] }],
  });
  expect(JSON.stringify(await cell.task(taskArn))).not.toContain('no database');
});

/** A container that fails leaves its last lines with its stop, also after it is gone from its host. */
import { RunTaskCommand, waitUntilTasksStopped } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { berthFor } from '#test/support/berth-program.ts';
import { openRealCell, type RealCell } from '#test/support/real-cell.ts';

let cell: RealCell;
beforeAll(async () => {
  cell = await openRealCell();
});
afterAll(async () => {
  await cell.close();
});

it('is shown by `berth task show`, and is not among ECS’s own answers', async () => {
  // The engine keeps no order between the two streams of a container.
  await cell.register('fails', { command: ['sh', '-c', 'echo starting >&2; echo "no database" >&2; exit 3'] });
  const { tasks: [{ taskArn = '' } = {}] = [] } = await cell.ecs.send(new RunTaskCommand({ taskDefinition: 'fails' }));
  await waitUntilTasksStopped({ client: cell.ecs, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { tasks: [taskArn] });
  for (const { id } of await cell.containers()) await cell.engine.remove(id);

  const { berth, json } = berthFor(cell);
  const shown = { code: 0, out: expect.stringContaining('last output of main:\n  starting\n  no database') };
  expect(await berth('task', 'show', taskArn)).toMatchObject(shown);
  expect(await json(z.unknown(), 'task', 'show', taskArn)).toMatchObject({
    lastOutput: [{ name: 'main', lines: ['starting', 'no database'] }],
  });
  expect(JSON.stringify(await cell.task(taskArn))).not.toContain('no database');
});

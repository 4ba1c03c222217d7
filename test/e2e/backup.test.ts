/** `berth backup` of a control service that works, and the way back to it: no container is touched, by either. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { CreateServiceCommand, RunTaskCommand, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { berthFor, type BerthProgram } from '#test/support/berth-program.ts';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';

const serves = { command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.2; done'] };

let cell: RealCell;
let berth: BerthProgram['berth'];
beforeAll(async () => {
  cell = await openRealCell();
  ({ berth } = berthFor(cell));
});
afterAll(() => cell.close());

async function runningIds(count: number): Promise<string[]> {
  return eventually(`${count} running containers`, async () => {
    const states = await Promise.all((await cell.containers()).map(({ id }) => cell.engine.inspect(id)));
    const running = states.filter((each) => each?.state === 'running').map((each) => each?.id ?? '');
    return running.length === count && running.toSorted();
  });
}

async function untilServiceRuns(count: number): Promise<void> {
  await eventually(`a service of ${count}`, async () => (await cell.service('web')).runningCount === count);
}

it('a backup made while control works brings back what was wanted then, and nothing that runs is stopped by it', async () => {
  await cell.register('web', serves);
  await cell.ecs.send(new CreateServiceCommand({ serviceName: 'web', taskDefinition: 'web', desiredCount: 2 }));
  await untilServiceRuns(2);
  expect(await berth('backup', 'first.backup')).toMatchObject({
    code: 0,
    out: expect.stringContaining('first.backup'),
  });
  expect((await stat(join(cell.folder, 'first.backup'))).mode & 0o777).toBe(0o600);

  await cell.ecs.send(new UpdateServiceCommand({ service: 'web', desiredCount: 4 }));
  await cell.ecs.send(new RunTaskCommand({ taskDefinition: 'web' }));
  await untilServiceRuns(4);
  const before = await runningIds(5);

  const early = await berth('restore', 'first.backup');
  expect(early).toMatchObject({ code: 1, err: expect.stringContaining('stop control first') });
  await cell.control.stop();
  expect(await berth('restore', 'first.backup')).toMatchObject({ code: 0, out: expect.stringContaining('Restored') });
  cell.control = cell.startControl();
  await cell.untilReady();

  await untilServiceRuns(2);
  expect((await cell.service('web')).desiredCount).toBe(2);
  // What is run now is assigned after all that the two had to settle.
  await eventually('a task to be placed', async () => {
    const { tasks = [] } = await cell.ecs.send(new RunTaskCommand({ taskDefinition: 'web' }));
    return tasks.length === 1;
  });
  expect(await runningIds(6)).toEqual(expect.arrayContaining(before));
});

it('a backup that breaks off is no file, and one that was cut is not restored', async () => {
  await berth('backup', 'whole.backup');
  const whole = await readFile(join(cell.folder, 'whole.backup'));
  expect(gunzipSync(whole).toString()).toMatch(/^\{"kind":"berth backup"/);
  await writeFile(join(cell.folder, 'cut.backup'), whole.subarray(0, whole.length - 100));
  await cell.control.stop();
  const refused = await berth('restore', 'cut.backup');
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('cannot be read as a backup') });
  const unreachable = await berth('backup', 'never.backup');
  expect(unreachable.code).toBe(1);
  await expect(stat(join(cell.folder, 'never.backup.part'))).rejects.toThrow('ENOENT');
  cell.control = cell.startControl();
  await cell.untilReady();
  await untilServiceRuns(2);
});

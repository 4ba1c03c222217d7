/** kill -9 of dockerd, with live-restore, while a command runs in a container: its client is told, the container lives, the command does not. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ending, processesOf, program, runningTask, startProgram } from '#test/support/berth-exec.ts';
import { startOwnEngine, type OwnEngine } from '#test/support/own-engine.ts';
import { eventually, openRealCell, type RealCell } from '#test/support/real-cell.ts';

let engine: OwnEngine;
let cell: RealCell;
beforeAll(async () => {
  engine = await startOwnEngine('exec', ['--live-restore']);
  vi.stubEnv('DOCKER_HOST', engine.host);
  cell = await openRealCell();
});
afterAll(async () => {
  try {
    await cell.close();
  } finally {
    await engine.close();
    vi.unstubAllEnvs();
  }
});

it('a command whose engine is lost ends, and others run when it is back', async () => {
  await cell.register('execs', {});
  const task = await runningTask(cell, 'execs');
  const exec = (...words: string[]) =>
    startProgram(cell, process.execPath, [program, 'exec', '-i', task, '--', ...words]);
  const client = exec('sleep', '4747');
  await eventually('the command', () => Promise.resolve(processesOf('sleep', '4747').length === 1));
  // By the end of another command the agent knows the process of this one.
  expect((await ending(exec('echo', 'before'))).out).toBe('before\n');
  await engine.stop('SIGKILL');
  const { code, err } = await client.ended;
  expect(code).toBe(255);
  expect(err).toContain('engine');
  await eventually('the end of the command', () => Promise.resolve(processesOf('sleep', '4747').length === 0));
  await engine.start();
  const again = await eventually('another command', async () => {
    const told = await ending(exec('echo', 'again'));
    return told.code === 0 && told;
  });
  expect(again.out).toBe('again\n');
  expect((await cell.task(task)).lastStatus).toBe('RUNNING');
});

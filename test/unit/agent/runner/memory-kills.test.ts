/** Which end of a container is put down to want of memory when the engine says nothing of it. */
import { expect, it } from 'vitest';
import { createMemoryKills } from '#agent/runner/memory-kills.ts';
import { anObservation } from '#test/support/builders/an-agent-task.ts';

const running = anObservation();
const killed = anObservation({ state: 'exited', exitCode: 137 });

/** Of which the kernel has killed so many processes; the engine answers what it is told to. */
function aTask(kills = 0) {
  const kernel = { kills };
  const memoryKills = createMemoryKills(async () => kernel.kills);
  const sees = (container: string, observation = running) => memoryKills.look(container, async () => observation);
  return { kernel, memoryKills, sees };
}

it('a container that was killed, when the kernel has killed in its task since it was seen running', async () => {
  const { kernel, sees } = aTask();
  expect(await sees('app')).toBe(running);
  kernel.kills = 1;
  expect(await sees('app', killed)).toEqual({ ...killed, oomKilled: true });
});

it('not one that somebody else killed after a child of it had been killed for memory', async () => {
  const { sees } = aTask(1);
  await sees('app');
  expect(await sees('app', killed)).toBe(killed);
});

it('one of two that were killed, when the kernel has killed once', async () => {
  const { kernel, sees } = aTask();
  await sees('app');
  await sees('other');
  kernel.kills = 1;
  expect((await sees('app', killed))?.oomKilled).toBe(true);
  expect((await sees('other', killed))?.oomKilled).toBe(false);
});

it('one that was killed, though another of its task was seen running before its end was known', async () => {
  const { kernel, sees } = aTask();
  await sees('app');
  kernel.kills = 1;
  await sees('other');
  expect((await sees('app', killed))?.oomKilled).toBe(true);
});

it('one that was killed while the engine was answering that it runs', async () => {
  const { kernel, memoryKills, sees } = aTask();
  await memoryKills.look('app', async () => {
    kernel.kills = 1;
    return running;
  });
  expect((await sees('app', killed))?.oomKilled).toBe(true);
});

it('none where nobody counts, and none that ended otherwise', async () => {
  const uncounted = createMemoryKills(async () => undefined);
  expect(await uncounted.look('app', async () => killed)).toBe(killed);
  const ended = anObservation({ state: 'exited', exitCode: 1 });
  expect(await aTask(5).sees('app', ended)).toBe(ended);
});

it('none of a container that the engine does not know', async () => {
  expect(await aTask().memoryKills.look('app', async () => undefined)).toBeUndefined();
});

/** Which end of a container is put down to want of memory when the engine says nothing of it. */
import { expect, it } from 'vitest';
import { createMemoryKills } from '#agent/runner/memory-kills.ts';
import { anObservation } from '#test/support/builders/an-agent-task.ts';

const running = anObservation();
const killed = anObservation({ state: 'exited', exitCode: 137 });

function counting(...counts: (number | undefined)[]) {
  return createMemoryKills(async () => counts.shift());
}

it('a container that was killed, when the kernel has killed in its task since it was seen running', async () => {
  const kills = counting(0, 1);
  expect(await kills.attribute(running)).toBe(running);
  expect(await kills.attribute(killed)).toEqual({ ...killed, oomKilled: true });
});

it('not one that somebody else killed after a child of it had been killed for memory', async () => {
  const kills = counting(1, 1);
  await kills.attribute(running);
  expect(await kills.attribute(killed)).toBe(killed);
});

it('one of two that were killed, when the kernel has killed once', async () => {
  const kills = counting(0, 1, 1);
  await kills.attribute(running);
  expect((await kills.attribute(killed)).oomKilled).toBe(true);
  expect((await kills.attribute(killed)).oomKilled).toBe(false);
});

it('none where nobody counts, and none that ended otherwise', async () => {
  expect(await counting(undefined).attribute(killed)).toBe(killed);
  const ended = anObservation({ state: 'exited', exitCode: 1 });
  expect(await counting(5).attribute(ended)).toBe(ended);
});

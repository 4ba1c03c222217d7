/** Images before their tasks: the operator's list in the background, and what control asks for. */
import { describe, expect, test } from 'vitest';
import { createPrepull } from '#agent/runner/prepull.ts';
import type { Images } from '#agent/runner/runner-ports.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import { ManualClock, settle } from '#test/support/manual-clock.ts';

interface Pull {
  readonly image: string;
  readonly secret: string | undefined;
  readonly aborted: boolean;
  end(error?: Error): Promise<void>;
}

function world(...listed: string[]) {
  const clock = new ManualClock();
  const pulls: Pull[] = [];
  const images: Images = {
    obtain(image, { signal, secret }) {
      const done = Promise.withResolvers<{ digest?: string }>();
      signal.addEventListener('abort', () => done.reject(new Error('called off')));
      pulls.push({
        image,
        secret,
        get aborted() {
          return signal.aborted;
        },
        async end(error) {
          if (error === undefined) done.resolve({});
          else done.reject(error);
          await settle();
        },
      });
      return done.promise;
    },
  };
  const prepull = createPrepull({ images, listed, clock, random: seededRandom(1), logger: silentLogger });
  const last = (): Pull => pulls.at(-1) ?? expect.fail('nothing is pulled');
  const states = () => prepull.listed().map(({ state }) => state);
  const task = (image: string) => prepull.images.obtain(image, { signal: new AbortController().signal });
  return { clock, pulls, prepull, last, states, task };
}

describe('the list', () => {
  test('is pulled one after the other, once the agent is registered', async () => {
    const { prepull, pulls, last, states } = world('a', 'b');
    await settle();
    expect(pulls).toEqual([]);
    prepull.start();
    prepull.start();
    await settle();
    expect(states()).toEqual(['pulling', 'waiting']);
    await last().end();
    expect(states()).toEqual(['here', 'pulling']);
    await last().end();
    expect(states()).toEqual(['here', 'here']);
    expect(pulls.map(({ image }) => image)).toEqual(['a', 'b']);
    await prepull.stop();
  });

  test('waits while tasks pull', async () => {
    const { prepull, pulls, last, task } = world('a');
    void task('of-a-task');
    prepull.start();
    await settle();
    expect(pulls.map(({ image }) => image)).toEqual(['of-a-task']);
    await last().end();
    expect(last().image).toBe('a');
    await prepull.stop();
  });

  test('makes way for the pull of a task that takes its time, and goes on after it', async () => {
    const { clock, prepull, pulls, last, states, task } = world('a');
    prepull.start();
    await settle();
    void task('of-a-task');
    await clock.advance(999);
    expect(pulls[0]?.aborted).toBe(false);
    await clock.advance(1);
    expect(pulls[0]?.aborted).toBe(true);
    expect(states()).toEqual(['waiting']);
    await last().end();
    expect(pulls.map(({ image }) => image)).toEqual(['a', 'of-a-task', 'a']);
    await prepull.stop();
  });

  test('is not called off for a task that wants the same image', async () => {
    const { clock, prepull, pulls, task } = world('a');
    prepull.start();
    await settle();
    void task('a');
    await clock.advance(5000);
    expect(pulls[0]?.aborted).toBe(false);
    await pulls[1]?.end();
    await prepull.stop();
  });

  test('says why an image cannot be had, gives way to the others, and tries again', async () => {
    const { clock, prepull, pulls, last, states } = world('a', 'b');
    prepull.start();
    await settle();
    await last().end(new Error('no such image'));
    expect(prepull.listed()[0]).toEqual({ image: 'a', state: 'failed', reason: 'no such image' });
    expect(last().image).toBe('b');
    await last().end();
    await clock.advance(75_000);
    expect(last().image).toBe('a');
    await last().end();
    expect(states()).toEqual(['here', 'here']);
    expect(pulls).toHaveLength(3);
    await prepull.stop();
  });
});

describe('what control asks for', () => {
  test('is pulled as for a task, with the secrets named', async () => {
    const { prepull, pulls } = world();
    const outcome = prepull.obtain([{ image: 'a' }, { image: 'b', secret: 's' }]);
    await settle();
    expect(pulls.map(({ image, secret }) => [image, secret])).toEqual([
      ['a', undefined],
      ['b', 's'],
    ]);
    for (const pull of pulls) await pull.end();
    expect(await outcome).toEqual({ kind: 'pulled' });
  });

  test('that cannot be had is told', async () => {
    const { prepull, last } = world();
    const outcome = prepull.obtain([{ image: 'a' }]);
    await settle();
    await last().end(new Error('no such image'));
    expect(await outcome).toEqual({ kind: 'failed', reason: 'CannotPullContainerError: no such image' });
  });
});

test('what is listed is never cleaned up, and what was asked for not for a while', async () => {
  const { clock, prepull, last } = world('a');
  const outcome = prepull.obtain([{ image: 'b' }]);
  await settle();
  await last().end();
  await outcome;
  expect(prepull.wanted()).toEqual(['a', 'b']);
  await clock.advance(15 * 60_000);
  expect(prepull.wanted()).toEqual(['a']);
});

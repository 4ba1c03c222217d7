import { describe, expect, it } from 'vitest';
import { createSemaphore } from '#lib/semaphore.ts';
import { settle } from '#test/support/manual-clock.ts';

describe('a semaphore', () => {
  it('never lets more than its permits run at once, and serves in order', async () => {
    const semaphore = createSemaphore(2);
    const started: number[] = [];
    let running = 0;
    let most = 0;
    const work = (index: number) => async () => {
      started.push(index);
      most = Math.max(most, ++running);
      await settle(1);
      running--;
      return index;
    };
    const results = await Promise.all([0, 1, 2, 3, 4].map((index) => semaphore.run(work(index))));
    expect(results).toEqual([0, 1, 2, 3, 4]);
    expect(started).toEqual([0, 1, 2, 3, 4]);
    expect(most).toBe(2);
  });

  it('gives the permit back when the work fails', async () => {
    const semaphore = createSemaphore(1);
    await expect(semaphore.run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    await expect(semaphore.run(() => Promise.resolve('next'))).resolves.toBe('next');
  });

  it('forgets a waiter whose signal aborts, and goes on with the one behind it', async () => {
    const semaphore = createSemaphore(1);
    const first = Promise.withResolvers<string>();
    const abort = new AbortController();
    const running = semaphore.run(() => first.promise);
    let ran = false;
    const givenUp = semaphore.run(() => Promise.resolve((ran = true)), abort.signal);
    const behind = semaphore.run(() => Promise.resolve('behind'));
    abort.abort(new Error('not needed any more'));
    await expect(givenUp).rejects.toThrow('not needed any more');
    first.resolve('first');
    await expect(Promise.all([running, behind])).resolves.toEqual(['first', 'behind']);
    expect(ran).toBe(false);
  });

  it('refuses an already aborted signal even when a permit is free', async () => {
    const semaphore = createSemaphore(1);
    await expect(semaphore.run(() => Promise.resolve(), AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  });

  it('needs at least one permit', () => {
    expect(() => createSemaphore(0)).toThrow(RangeError);
  });
});

import { describe, expect, it } from 'vitest';
import { createBackground } from '#lib/background.ts';
import { settle } from '#test/support/manual-clock.ts';

describe('background work', () => {
  it('is waited for, work spawned meanwhile included', async () => {
    const background = createBackground({ onError: () => expect.unreachable() });
    const outer = Promise.withResolvers<void>();
    const inner = Promise.withResolvers<void>();
    background.spawn(
      'outer',
      outer.promise.then(() => background.spawn('inner', inner.promise)),
    );
    let settled = false;
    const waiting = background.settled().then(() => (settled = true));
    outer.resolve();
    await settle();
    expect(background.names()).toEqual(['inner']);
    expect(settled).toBe(false);
    inner.resolve();
    await waiting;
    expect(background.names()).toEqual([]);
  });

  it('reports a failure under its name', async () => {
    const failures: unknown[] = [];
    const background = createBackground({ onError: (name, error) => failures.push([name, error]) });
    const error = new Error('broken pipe');
    background.spawn('pulling', Promise.reject(error));
    await background.settled();
    expect(failures).toEqual([['pulling', error]]);
  });
});

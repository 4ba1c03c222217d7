/** Answers about a container come in order, and are newer than the question. */
import { describe, expect, it } from 'vitest';
import { createContainerLooks } from '#agent/runner/container-looks.ts';
import { settle } from '#test/support/manual-clock.ts';

/** Questions are answered when the test says so. */
function heldLooks() {
  const asked: PromiseWithResolvers<void>[] = [];
  const looks = createContainerLooks(() => {
    const answer = Promise.withResolvers<void>();
    asked.push(answer);
    return answer.promise;
  });
  return { looks, asked };
}

describe('looks', () => {
  it('that come during another share one that begins after it', async () => {
    const { looks, asked } = heldLooks();
    const answered: number[] = [];
    void looks.look('app').then(() => answered.push(1));
    void looks.look('app').then(() => answered.push(2));
    void looks.look('app').then(() => answered.push(3));
    expect(asked).toHaveLength(1);
    asked[0]?.resolve();
    await settle();
    expect(answered).toEqual([1]);
    expect(asked).toHaveLength(2);
    asked[1]?.resolve();
    await settle();
    expect(answered).toEqual([1, 2, 3]);
    expect(looks.isLooking('app')).toBe(false);
  });

  it('go on after one that failed', async () => {
    const { looks, asked } = heldLooks();
    const first = looks.look('app');
    const second = looks.look('app');
    asked[0]?.reject(new Error('not now'));
    await expect(first).rejects.toThrow('not now');
    await settle();
    asked[1]?.resolve();
    await second;
    void looks.look('app');
    expect(asked).toHaveLength(3);
  });
});

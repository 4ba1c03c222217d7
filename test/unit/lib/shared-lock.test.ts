import { expect, test } from 'vitest';
import { createSharedLock } from '#lib/shared-lock.ts';
import { settle } from '#test/support/manual-clock.ts';

test('many hold it together, and nobody alone meanwhile', async () => {
  const lock = createSharedLock();
  const end = Promise.withResolvers<void>();
  const both = [lock.shared(() => end.promise), lock.shared(() => end.promise)];
  await settle();
  expect(lock.alone(async () => 'alone')).toBeUndefined();
  end.resolve();
  await Promise.all(both);
  await expect(lock.alone(async () => 'alone')).resolves.toBe('alone');
});

test('the many wait for the one, also for one whose work fails', async () => {
  const lock = createSharedLock();
  const end = Promise.withResolvers<void>();
  const order: string[] = [];
  const alone = lock.alone(async () => {
    await end.promise;
    order.push('alone');
    throw new Error('no');
  });
  const shared = lock.shared(async () => order.push('shared'));
  await settle();
  expect(order).toEqual([]);
  expect(lock.alone(async () => undefined)).toBeUndefined();
  end.resolve();
  await expect(alone).rejects.toThrow('no');
  await shared;
  expect(order).toEqual(['alone', 'shared']);
});

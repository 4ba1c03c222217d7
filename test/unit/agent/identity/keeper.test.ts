/** When a certificate is renewed, what follows when that fails, and what people are told. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Identity } from '#agent/identity/identity-files.ts';
import { createIdentityKeeper, type IdentityKeeper } from '#agent/identity/keeper.ts';
import { seededRandom } from '#lib/random.ts';
import { daysMs } from '#model/machine-trust.ts';
import { ManualClock } from '#test/support/manual-clock.ts';
import { recordingLogger, type LogLine } from '#test/support/sessions-under-test.ts';

interface World {
  readonly clock: ManualClock;
  readonly keeper: IdentityKeeper;
  readonly lines: LogLine[];
  /** Days after the beginning at which it was tried. */
  readonly attempts: number[];
  failure: Error | undefined;
  until(): number;
}

let open: IdentityKeeper[] = [];
afterEach(async () => {
  for (const keeper of open) await keeper.stop();
  open = [];
});

function aWorld({ random = seededRandom(3) } = {}): World {
  const clock = new ManualClock();
  const start = clock.now();
  const lines: LogLine[] = [];
  let identity = { issuedAt: start, notAfter: start + 30 * daysMs } as Identity;
  const world: World = {
    clock,
    lines,
    attempts: [],
    failure: undefined,
    until: () => (identity.notAfter - start) / daysMs,
    keeper: createIdentityKeeper({
      read: () => identity,
      renew() {
        world.attempts.push((clock.now() - start) / daysMs);
        if (world.failure !== undefined) return Promise.reject(world.failure);
        identity = { ...identity, issuedAt: clock.now(), notAfter: clock.now() + 30 * daysMs };
        return Promise.resolve();
      },
      clock,
      random,
      logger: recordingLogger(lines),
    }),
  };
  open.push(world.keeper);
  return world;
}

const noSpread = { next: () => 0 };

describe('a certificate', () => {
  it('is renewed when two thirds of its life are over, and so on', async () => {
    const world = aWorld({ random: noSpread });
    world.keeper.start();
    await world.clock.advance(20 * daysMs - 1);
    expect(world.attempts).toEqual([]);
    await world.clock.advance(1);
    expect(world.attempts).toEqual([20]);
    expect(world.until()).toBe(50);
    await world.clock.advance(20 * daysMs);
    expect(world.attempts).toEqual([20, 40]);
    expect(world.keeper.health()).toEqual({ type: 'AGENT_IDENTITY', status: 'OK' });
  });

  it('of machines that joined together is renewed at different times, within a day', async () => {
    const times = [];
    for (const seed of [1, 2, 3]) {
      const world = aWorld({ random: seededRandom(seed) });
      world.keeper.start();
      await world.clock.advance(21 * daysMs);
      times.push(world.attempts[0] ?? 0);
    }
    expect(new Set(times).size).toBe(3);
    for (const time of times) expect(time).toBeGreaterThanOrEqual(20);
  });

  it('that cannot be renewed is tried again with back-off, at least every hour, and the health says why', async () => {
    const world = aWorld({ random: noSpread });
    world.failure = new Error('connect ECONNREFUSED');
    world.keeper.start();
    await world.clock.advance(20 * daysMs + 3 * 60_000);
    expect(world.attempts.length).toBeGreaterThanOrEqual(2);
    expect(world.attempts.length).toBeLessThanOrEqual(4);
    expect(world.keeper.health()).toEqual({
      type: 'AGENT_IDENTITY',
      status: 'OK',
      reason: 'the certificate, which lapses at 2026-01-31T00:00:00.000Z, could not be renewed: connect ECONNREFUSED',
    });
    const before = world.attempts.length;
    await world.clock.advance(daysMs);
    expect(world.attempts.length - before).toBeGreaterThanOrEqual(24);
    world.failure = undefined;
    await world.clock.advance(60 * 60 * 1000);
    expect(world.keeper.health()).toEqual({ type: 'AGENT_IDENTITY', status: 'OK' });
    expect(world.lines.some(({ level, message }) => level === 'warn' && message.includes('could not be renewed'))).toBe(
      true,
    );
  });

  it('that will soon lapse makes the machine one that takes no new tasks', async () => {
    const world = aWorld({ random: noSpread });
    world.failure = new Error('the certificate of machine 1 was revoked');
    world.keeper.start();
    await world.clock.advance(27 * daysMs - 1000);
    expect(world.keeper.health().status).toBe('OK');
    await world.clock.advance(2 * 60 * 60 * 1000);
    expect(world.keeper.health()).toMatchObject({ status: 'IMPAIRED', reason: expect.stringContaining('was revoked') });
    expect(world.lines.at(-1)).toMatchObject({ level: 'error' });
  });

  it('that has lapsed is renewed before the next session, or that is told to wait and why', async () => {
    const world = aWorld({ random: noSpread });
    await world.clock.advance(31 * daysMs);
    world.failure = new Error('connect ECONNREFUSED');
    await expect(world.keeper.forSession()).rejects.toThrow(
      'the certificate lapsed at 2026-01-31T00:00:00.000Z and could not be renewed: connect ECONNREFUSED',
    );
    world.failure = undefined;
    expect((await world.keeper.forSession()).notAfter).toBe(world.clock.now() + 30 * daysMs);
    expect(world.attempts).toEqual([31, 31]);
  });

  it('is renewed at once when control asks, once however often it asks', async () => {
    const world = aWorld();
    world.keeper.start();
    await world.clock.advance(daysMs);
    world.keeper.renewNow();
    world.keeper.renewNow();
    await world.clock.advance(0);
    expect(world.attempts).toEqual([1]);
    expect(world.until()).toBe(31);
  });

  it('is left alone after the end of the agent', async () => {
    const world = aWorld();
    world.keeper.start();
    await world.keeper.stop();
    await world.clock.advance(60 * daysMs);
    expect(world.attempts).toEqual([]);
  });
});

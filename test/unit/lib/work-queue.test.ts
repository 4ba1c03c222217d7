import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '#lib/random.ts';
import { createWorkQueue, type LookAgain } from '#lib/work-queue.ts';
import { ManualClock, settle } from '#test/support/manual-clock.ts';

interface World {
  concurrency?: number;
  run?: (key: string, nth: number) => Promise<LookAgain | void>;
}

/** A queue on a manual clock that notes what ran when; `run` sees how often its key has run, from 1. */
function queueWith({ concurrency = 4, run = () => Promise.resolve() }: World = {}) {
  const clock = new ManualClock(0);
  const runs: { key: string; at: number }[] = [];
  const errors: { key: string; attempt: number; at: number }[] = [];
  const active: string[] = [];
  let mostActive = 0;
  let overlapped = false;
  const queue = createWorkQueue({
    clock,
    concurrency,
    random: { next: () => 0.5 },
    backoff: { baseMs: 100, maxMs: 1000, factor: 2, jitter: 0.2 },
    async run(key) {
      overlapped ||= active.includes(key);
      active.push(key);
      mostActive = Math.max(mostActive, active.length);
      runs.push({ key, at: clock.now() });
      try {
        return await run(key, runs.filter((ran) => ran.key === key).length);
      } finally {
        active.splice(active.indexOf(key), 1);
      }
    },
    onError: (key, _error, attempt) => errors.push({ key, attempt, at: clock.now() }),
  });
  return {
    clock,
    queue,
    runs,
    errors,
    timesOf: (key: string) => runs.filter((ran) => ran.key === key).map((ran) => ran.at),
    mostActive: () => mostActive,
    overlapped: () => overlapped,
  };
}

describe('the work queue', () => {
  it('runs a key once, however often it was added', async () => {
    const { queue, runs } = queueWith();
    for (const key of ['a', 'b', 'a', 'a']) queue.add(key);
    await queue.idle();
    expect(runs.map(({ key }) => key)).toEqual(['a', 'b']);
  });

  it('runs a key again when it was added during its run', async () => {
    const gate = Promise.withResolvers<void>();
    const { queue, timesOf } = queueWith({ run: (_, nth) => (nth === 1 ? gate.promise : Promise.resolve()) });
    queue.add('a');
    await settle();
    queue.add('a');
    queue.add('a');
    gate.resolve();
    await queue.idle();
    expect(timesOf('a')).toHaveLength(2);
  });

  it('lets other keys pass a key that takes long', async () => {
    const gate = Promise.withResolvers<void>();
    const { queue, runs } = queueWith({
      concurrency: 2,
      run: (key) => (key === 'slow' ? gate.promise : Promise.resolve()),
    });
    for (const key of ['slow', 'b', 'c']) queue.add(key);
    await settle();
    expect(runs.map(({ key }) => key)).toEqual(['slow', 'b', 'c']);
    gate.resolve();
    await queue.idle();
  });

  it('tries a failed key again with a growing back-off, and forgets the failures after a success', async () => {
    const { queue, clock, errors, timesOf } = queueWith({
      run: (_, nth) => (nth <= 3 || nth === 5 ? Promise.reject(new Error('not yet')) : Promise.resolve()),
    });
    queue.add('a');
    await clock.advance(10_000);
    expect(timesOf('a')).toEqual([0, 100, 300, 700]);
    queue.add('a');
    await clock.advance(10_000);
    expect(errors.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 1]);
  });

  it('does not make a fresh add wait for the back-off', async () => {
    const { queue, clock, timesOf } = queueWith({
      run: (_, nth) => (nth === 1 ? Promise.reject(new Error('not yet')) : Promise.resolve()),
    });
    queue.add('a');
    await clock.advance(10);
    queue.add('a');
    await settle();
    expect(timesOf('a')).toEqual([0, 10]);
    await queue.stop();
  });

  it('looks again when the run asked for it', async () => {
    const { queue, clock, timesOf } = queueWith({
      run: (_, nth) => Promise.resolve(nth < 3 ? { lookAgainAt: nth * 1000 } : undefined),
    });
    queue.add('a');
    await clock.advance(10_000);
    expect(timesOf('a')).toEqual([0, 1000, 2000]);
    expect(clock.pendingTimers()).toBe(0);
  });

  it('keeps the earliest of several moments', async () => {
    const { queue, clock, timesOf } = queueWith();
    queue.addAfter('a', 500);
    queue.addAt('a', 200);
    queue.addAfter('a', 900);
    await clock.advance(2000);
    expect(timesOf('a')).toEqual([200]);
  });

  it('takes a moment in the past for now', async () => {
    const { queue, clock, timesOf } = queueWith();
    await clock.advance(1000);
    queue.addAt('a', 10);
    await queue.idle();
    expect(timesOf('a')).toEqual([1000]);
  });

  it('stops: starts nothing more, waits for what runs, leaves no timer', async () => {
    const gate = Promise.withResolvers<void>();
    const { queue, clock, runs } = queueWith({ concurrency: 1, run: () => gate.promise });
    queue.add('running');
    await settle();
    for (const key of ['running', 'waiting']) queue.add(key);
    queue.addAfter('later', 100);
    let stopped = false;
    const stopping = queue.stop().then(() => (stopped = true));
    await settle();
    expect(stopped).toBe(false);
    gate.resolve();
    await stopping;
    queue.add('afterwards');
    await clock.advance(1000);
    expect(runs.map(({ key }) => key)).toEqual(['running']);
    expect(clock.pendingTimers()).toBe(0);
  });
});

describe('in any history of adds, slow runs and failures, the work queue', () => {
  const keys = fc.constantFrom('a', 'b', 'c', 'd');
  const steps = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), key: keys }),
    fc.record({ kind: fc.constant('addAfter' as const), key: keys, ms: fc.nat(500) }),
    fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(300) }),
  );

  it('never overlaps a key, keeps to its concurrency, and runs every key after its last add', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 30 }), fc.integer(), async (history, seed) => {
        const random = seededRandom(seed);
        const world = queueWith({
          concurrency: 2,
          async run() {
            await world.clock.sleep(random.next() * 50);
            if (random.next() < 0.2) throw new Error('unlucky');
          },
        });
        const lastAdd = new Map<string, number>();
        for (const step of history) {
          if (step.kind === 'advance') await world.clock.advance(step.ms);
          else if (step.kind === 'add') world.queue.add(step.key);
          else world.queue.addAfter(step.key, step.ms);
          if (step.kind !== 'advance') lastAdd.set(step.key, world.clock.now());
        }
        await world.clock.advance(60_000);
        expect(world.overlapped()).toBe(false);
        expect(world.mostActive()).toBeLessThanOrEqual(2);
        for (const [key, at] of lastAdd) expect(world.timesOf(key).at(-1)).toBeGreaterThanOrEqual(at);
        expect(world.clock.pendingTimers()).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});

import { describe, expect, test } from 'vitest';
import { EngineError } from '#agent/engine/container-engine.ts';
import { createImages } from '#agent/engine/images.ts';
import { planPull, pullBehaviours, type PullBehaviour } from '#agent/engine/pull-plan.ts';
import { seededRandom } from '#lib/random.ts';
import { FakeEngine } from '#test/support/fake-engine.ts';
import { ManualClock, settle } from '#test/support/manual-clock.ts';

const image = 'registry.example/shop/web:1';
const patienceMs = 20 * 60_000;

interface World {
  behaviour?: PullBehaviour;
  local?: 'none' | 'from-registry' | 'made-here';
  registry?: 'offers' | 'lacks';
}

function world({ behaviour = 'default', local = 'none', registry = 'offers' }: World) {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const engine = new FakeEngine({ clock, random, latency: { pull: 1000 } });
  if (local !== 'none') engine.addImage(image, {}, local === 'from-registry' ? { digest: 'sha256:local' } : {});
  if (registry === 'offers') engine.offerAtRegistry(image);
  const images = createImages({ engine, clock, random, behaviour });
  /** Lets time pass until it is over. */
  async function obtain() {
    const outcome = images.obtain(image).then(
      (obtained) => ({ obtained }),
      (error: unknown) => ({ error }),
    );
    let over = false;
    void outcome.then(() => (over = true));
    await settle();
    if (!over) await clock.advanceUntil(() => over, patienceMs);
    return outcome;
  }
  return { clock, engine, images, obtain, pulls: () => engine.calls.get('pull') ?? 0 };
}

function ended(outcome: { obtained: { pulled: boolean } } | { error: unknown }): string {
  if ('error' in outcome) return 'fails';
  return outcome.obtained.pulled ? 'runs pulled' : 'runs local';
}

describe('where an image comes from', () => {
  const cells = [
    ['default', 'from-registry', 'offers', 'runs pulled'],
    ['default', 'from-registry', 'lacks', 'runs local'],
    ['default', 'none', 'offers', 'runs pulled'],
    ['default', 'none', 'lacks', 'fails'],
    ['always', 'from-registry', 'offers', 'runs pulled'],
    ['always', 'from-registry', 'lacks', 'fails'],
    ['always', 'none', 'offers', 'runs pulled'],
    ['always', 'none', 'lacks', 'fails'],
    ['once', 'from-registry', 'offers', 'runs pulled'],
    ['once', 'from-registry', 'lacks', 'fails'],
    ['once', 'none', 'offers', 'runs pulled'],
    ['once', 'none', 'lacks', 'fails'],
    ['prefer-cached', 'from-registry', 'offers', 'runs local'],
    ['prefer-cached', 'from-registry', 'lacks', 'runs local'],
    ['prefer-cached', 'none', 'offers', 'runs pulled'],
    ['prefer-cached', 'none', 'lacks', 'fails'],
  ] as const;

  test.each(cells)('%s, local copy %s, registry %s it: %s', async (behaviour, local, registry, expected) => {
    expect(ended(await world({ behaviour, local, registry }).obtain())).toBe(expected);
  });

  test('once asks the registry for the first task only', async () => {
    const { obtain, pulls } = world({ behaviour: 'once' });
    expect(ended(await obtain())).toBe('runs pulled');
    expect(ended(await obtain())).toBe('runs local');
    expect(pulls()).toBe(1);
  });

  test('an image that was made on this host is not looked for elsewhere', async () => {
    const { obtain, pulls } = world({ local: 'made-here' });
    expect(ended(await obtain())).toBe('runs local');
    expect(pulls()).toBe(0);
    expect(planPull('always', { local: 'made-here', pulledBefore: true, byDigest: false, reusable: true })).toEqual({
      pull: 'must',
    });
  });

  test('without a local copy every behaviour must pull', () => {
    for (const behaviour of pullBehaviours) {
      expect(planPull(behaviour, { local: 'none', pulledBefore: true, byDigest: true, reusable: true })).toEqual({
        pull: 'must',
      });
    }
  });
});

describe('a failing registry', () => {
  test('is asked five times with growing pauses, then the words say so', async () => {
    const { clock, engine, obtain, pulls } = world({});
    engine.failNext('pull', { kind: 'network', message: 'dial tcp: i/o timeout', times: 9 });
    const begun = clock.now();
    expect(await obtain()).toMatchObject({
      error: { kind: 'network', message: 'pull has been retried 5 time(s): dial tcp: i/o timeout' },
    });
    expect(pulls()).toBe(5);
    expect(clock.now() - begun).toBeGreaterThan(0.8 * (1100 + 2200 + 4400 + 5000));
  });

  test('that recovers is no failure', async () => {
    const { engine, obtain } = world({});
    engine.failNext('pull', { kind: 'rate-limited', times: 2 });
    expect(ended(await obtain())).toBe('runs pulled');
  });

  test.each([
    ['rate-limited', 8],
    ['disk-full', 4],
    ['timeout', 5],
  ] as const)('is asked again after %s, %i times in all', async (kind, attempts) => {
    const { engine, obtain, pulls } = world({});
    engine.failNext('pull', { kind, times: 20 });
    expect(await obtain()).toMatchObject({ error: { kind } });
    expect(pulls()).toBe(attempts);
  });

  test('that says when to come back is asked then', async () => {
    const { clock, engine, obtain } = world({});
    engine.failNext('pull', {
      kind: 'rate-limited',
      message: 'toomanyrequests: retry-after: 90.5s, allowed: 44/minute',
    });
    const begun = clock.now();
    expect(ended(await obtain())).toBe('runs pulled');
    expect(clock.now() - begun).toBe(90_500 + 1000);
  });

  test('says what it waits for, and how far it has come', async () => {
    const { clock, engine, images } = world({});
    const news: string[] = [];
    engine.failNext('pull', { kind: 'network', message: 'dial tcp: i/o timeout' });
    const obtaining = images.obtain(image, { tell: (text) => news.push(text) });
    await clock.advance(5000);
    await obtaining;
    expect(news).toEqual(['trying again in 2 s: dial tcp: i/o timeout', 'unpacking 1.0 MB']);
  });

  test.each(['unauthorized', 'image-not-found', 'wrong-platform', 'invalid'] as const)(
    'is not asked again after: %s',
    async (kind) => {
      const { engine, obtain, pulls } = world({});
      engine.failNext('pull', { kind });
      expect(await obtain()).toMatchObject({ error: { kind } });
      expect(pulls()).toBe(1);
    },
  );

  test('is left alone for a minute where the local copy will do', async () => {
    const { clock, engine, obtain, pulls } = world({ local: 'from-registry' });
    engine.failNext('pull', { kind: 'network' });
    expect(await obtain()).toMatchObject({ obtained: { pulled: false, fellBack: { kind: 'network' } } });
    expect(await obtain()).toMatchObject({ obtained: { pulled: false, fellBack: { kind: 'network' } } });
    expect(pulls()).toBe(1);
    await clock.advance(60_000);
    expect(ended(await obtain())).toBe('runs pulled');
  });

  test('is not to blame when the engine does not answer: no local copy, no retry', async () => {
    const { engine, obtain, pulls } = world({ local: 'from-registry' });
    engine.failNext('pull', { kind: 'unreachable' });
    expect(await obtain()).toMatchObject({ error: { kind: 'unreachable' } });
    expect(pulls()).toBe(1);
  });
});

describe('tasks that want one image at once', () => {
  test('share a pull', async () => {
    const { clock, images, pulls } = world({});
    const all = Promise.all([images.obtain(image), images.obtain(image), images.obtain(image)]);
    await clock.advance(1000);
    expect((await all).map(({ pulled }) => pulled)).toEqual([true, true, true]);
    expect(pulls()).toBe(1);
  });

  test('do not lose it when one of them goes', async () => {
    const { clock, images } = world({});
    const controller = new AbortController();
    const leaver = images.obtain(image, { signal: controller.signal }).catch((error: unknown) => error);
    const stayer = images.obtain(image);
    await clock.advance(500);
    controller.abort();
    expect(await leaver).toMatchObject({ kind: 'aborted' });
    await clock.advance(500);
    expect(await stayer).toMatchObject({ pulled: true });
  });

  test('end it when all of them go, and the next begins anew', async () => {
    const { clock, images, pulls } = world({});
    const controller = new AbortController();
    const leaver = images.obtain(image, { signal: controller.signal }).catch((error: unknown) => error);
    await clock.advance(500);
    controller.abort();
    await leaver;
    expect(clock.pendingTimers()).toBe(0);
    const next = images.obtain(image);
    await clock.advance(1000);
    expect(await next).toMatchObject({ pulled: true });
    expect(pulls()).toBe(2);
  });
});

test('a reference that is none never reaches the engine', async () => {
  const { images, engine } = world({});
  await expect(images.obtain('../containers/x')).rejects.toBeInstanceOf(EngineError);
  expect(engine.calls.size).toBe(0);
});

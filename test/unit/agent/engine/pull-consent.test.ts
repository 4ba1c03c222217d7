/** Images that were pulled with the credentials of a secret, and who else may have them. */
import { describe, expect, test } from 'vitest';
import { EngineError } from '#agent/engine/container-engine.ts';
import { createImages } from '#agent/engine/images.ts';
import type { PullBehaviour } from '#agent/engine/pull-plan.ts';
import { seededRandom } from '#lib/random.ts';
import { FakeEngine } from '#test/support/fake-engine.ts';
import { ManualClock, settle } from '#test/support/manual-clock.ts';

const image = 'registry.example/shop/web:1';
const [mine, yours, wrong] = ['secret-mine', 'secret-yours', 'secret-wrong'];

function world(behaviour: PullBehaviour = 'default') {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const engine = new FakeEngine({ clock, random, latency: { pull: 1000 } });
  engine.offerAtRegistry(image);
  const passwords = new Map([mine, yours, wrong].map((secret) => [secret, `password of ${secret}`]));
  const accepted = new Set([mine, yours].map((secret) => `password of ${secret}`));
  const asked: (string | undefined)[] = [];
  let isDown = false;
  const images = createImages({
    engine: {
      inspectImage: engine.inspectImage.bind(engine),
      async pull(reference, options) {
        asked.push(options.credentials?.password);
        if (isDown) throw new EngineError('network', 'no route');
        if (!accepted.has(options.credentials?.password ?? '')) throw new EngineError('unauthorized', 'no basic auth');
        await engine.pull(reference, options);
      },
    },
    clock,
    random,
    behaviour,
    secrets: {
      find(secret) {
        const password = passwords.get(secret);
        if (password === undefined) throw new EngineError('no-credentials', `the secret ${secret} is not there`);
        return { username: 'me', password };
      },
    },
  });
  /** Lets time pass until it is over. */
  async function obtain(secret?: string, reference = image): Promise<string> {
    const outcome = images.obtain(reference, secret === undefined ? {} : { secret }).then(
      ({ pulled }) => (pulled ? 'pulled' : 'local'),
      (error: unknown) => (error instanceof EngineError ? error.kind : 'broken'),
    );
    let over = false;
    void outcome.then(() => (over = true));
    await settle();
    if (!over) await clock.advanceUntil(() => over, 20 * 60_000);
    return outcome;
  }
  return { obtain, asked, passwords, accepted, goDown: () => void (isDown = true) };
}

describe('a pull for a container that names a secret', () => {
  test('goes with the credentials of that secret, each time anew', async () => {
    const { obtain, asked, passwords, accepted } = world();
    expect(await obtain(mine)).toBe('pulled');
    passwords.set(mine, 'renewed');
    accepted.add('renewed');
    expect(await obtain(mine)).toBe('pulled');
    expect(asked).toEqual(['password of secret-mine', 'renewed']);
  });

  test('is shared with those that name the same secret alone', async () => {
    const { obtain, asked } = world();
    expect(await Promise.all([obtain(mine), obtain(mine), obtain(yours)])).toEqual(['pulled', 'pulled', 'pulled']);
    expect(asked).toEqual(['password of secret-mine', 'password of secret-yours']);
  });

  test('fails when the secret is not there, although the image is', async () => {
    const { obtain, passwords } = world();
    expect(await obtain(mine)).toBe('pulled');
    passwords.delete(mine);
    expect(await obtain(mine)).toBe('no-credentials');
  });
});

describe.each(['default', 'once'] as const)('with %s an image that was pulled by a secret', (behaviour) => {
  test('is not for those whom the registry refuses', async () => {
    const { obtain } = world(behaviour);
    expect(await obtain(mine)).toBe('pulled');
    expect(await obtain()).toBe('unauthorized');
    expect(await obtain(wrong)).toBe('unauthorized');
    expect(await obtain(yours)).toBe('pulled');
  });

  test('serves those that had it before when the registry is away, and nobody else', async () => {
    const { obtain, goDown } = world(behaviour);
    expect(await obtain(mine)).toBe('pulled');
    goDown();
    expect(await obtain(mine)).toBe('local');
    expect(await obtain()).toBe('network');
    expect(await obtain(yours)).toBe('network');
  });
});

test('prefer-cached asks for nobody: the local copy is for all', async () => {
  const { obtain, asked } = world('prefer-cached');
  expect(await obtain(mine)).toBe('pulled');
  expect(await obtain()).toBe('local');
  expect(asked).toHaveLength(1);
});

test('a password that the registry does not take any more leaves the local copy to its owner', async () => {
  const { obtain, accepted } = world();
  expect(await obtain(mine)).toBe('pulled');
  accepted.clear();
  expect(await obtain(mine)).toBe('local');
});

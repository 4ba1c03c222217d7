/** The harm the fake engine does; that it is an engine at all is shown by test/contract/engine. */
import { expect, test } from 'vitest';
import { seededRandom } from '#lib/random.ts';
import { containerSpec } from '#test/support/container-specs.ts';
import { FakeEngine } from '#test/support/fake-engine.ts';
import { ManualClock, settle } from '#test/support/manual-clock.ts';

const spec = containerSpec({ name: 'web', image: 'web:1', labels: { mine: '' } });

async function started() {
  const clock = new ManualClock();
  const engine = new FakeEngine({ clock, random: seededRandom(1) });
  engine.addImage(spec.image);
  const id = await engine.create(spec);
  await engine.start(id);
  return { clock, engine, id };
}

test('a fault before the effect leaves nothing, one after it leaves the work done', async () => {
  const { engine } = await started();
  engine.failNext('create', { kind: 'internal' });
  await expect(engine.create({ ...spec, name: 'a' })).rejects.toMatchObject({ kind: 'internal' });
  engine.failNext('create', { kind: 'unreachable', afterEffect: true });
  await expect(engine.create({ ...spec, name: 'b' })).rejects.toMatchObject({ kind: 'unreachable' });
  expect(engine.containers().map(({ name }) => name)).toEqual(['web', 'b']);
});

test('a call that hangs ends at its deadline', async () => {
  const { clock, engine, id } = await started();
  engine.failNext('inspect', { kind: 'hang' });
  const hanging = engine.inspect(id).catch((error: unknown) => error);
  await clock.advance(30_000);
  expect(await hanging).toMatchObject({ kind: 'unreachable' });
  expect(clock.pendingTimers()).toBe(0);
});

test.each([
  { liveRestore: true, state: 'running' },
  { liveRestore: false, state: 'exited' },
])(
  'an engine that was killed comes back, live-restore $liveRestore: containers are $state',
  async ({ liveRestore, state }) => {
    const { engine, id } = await started();
    const { signal } = new AbortController();
    const events = await engine.events({ labelKeys: ['mine'], signal });
    const rest = Array.fromAsync(events).catch((error: unknown) => error);
    engine.goDown();
    expect(await rest).toMatchObject({ kind: 'unreachable' });
    await expect(engine.inspect(id)).rejects.toMatchObject({ kind: 'unreachable' });
    engine.comeBack({ liveRestore });
    expect(await engine.inspect(id)).toMatchObject({ state });
  },
);

test('calls under way break when the engine goes', async () => {
  const { clock, engine, id } = await started();
  engine.exit(id, 0);
  const stubborn = new FakeEngine({ clock, random: seededRandom(2), behave: () => ({ onTerm: 'ignored' }) });
  stubborn.addImage(spec.image);
  await stubborn.start(await stubborn.create(spec));
  const stopping = stubborn.stop('web', { timeoutSeconds: 10 }).catch((error: unknown) => error);
  await settle();
  stubborn.goDown();
  expect(await stopping).toMatchObject({ kind: 'unreachable' });
});

test('what ended while the engine was down is seen afterwards, without an event', async () => {
  const { engine, id } = await started();
  engine.goDown();
  engine.exit(id, 7);
  engine.comeBack({ liveRestore: true });
  expect(await engine.inspect(id)).toMatchObject({ state: 'exited', exitCode: 7 });
});

test('same seed, same ids', async () => {
  const [one, other] = await Promise.all([started(), started()]);
  expect(one.id).toBe(other.id);
});

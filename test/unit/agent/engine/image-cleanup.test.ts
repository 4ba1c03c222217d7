import { expect, test } from 'vitest';
import { createImageCleanup } from '#agent/engine/image-cleanup.ts';
import { createImages } from '#agent/engine/images.ts';
import { openJournal } from '#agent/state/journal.ts';
import { silentLogger } from '#lib/logger.ts';
import { seededRandom } from '#lib/random.ts';
import { createSharedLock } from '#lib/shared-lock.ts';
import { containerSpec } from '#test/support/container-specs.ts';
import { FakeEngine } from '#test/support/fake-engine.ts';
import { ManualClock, settle } from '#test/support/manual-clock.ts';

const minute = 60_000;

/** A host that pulled `names`, two hours before its cleaning begins. */
async function world({ names, used = 50, perCycle = 5 }: { names: string[]; used?: number; perCycle?: number }) {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const engine = new FakeEngine({ clock, random });
  const journal = openJournal({ path: ':memory:', machineId: 'machine', logger: silentLogger, now: clock.now() });
  const lock = createSharedLock();
  const disk: { used: number | undefined } = { used };
  const wanted: string[] = [];
  const { images: records, pulledImages } = journal;
  const common = { engine, lock, records, clock, logger: silentLogger };
  const cleanup = createImageCleanup({
    ...common,
    isOurs: () => true,
    wanted: () => wanted,
    diskUsedPercent: async () => disk.used,
    settings: {
      intervalMs: 30 * minute,
      minimumAgeMs: 60 * minute,
      untrackedMinimumAgeMs: 60 * minute,
      perCycle,
      untracked: false,
      excluded: [],
      diskMarks: { high: 85, low: 80 },
    },
  });
  const images = createImages({
    ...common,
    random,
    behaviour: 'default',
    pulledBefore: pulledImages,
    makeRoom: cleanup.relieve,
  });
  for (const name of names) {
    engine.offerAtRegistry(name);
    await images.obtain(name);
    await clock.advance(1000);
  }
  await clock.advance(120 * minute);
  cleanup.start();
  const here = async () => (await engine.listImages()).flatMap(({ tags }) => tags).toSorted();
  return { clock, engine, images, cleanup, disk, wanted, records, here };
}

test('images that containers or tasks need stay, the others go, and nothing is remembered of them', async () => {
  const { clock, engine, wanted, records, cleanup, here } = await world({ names: ['in-use:1', 'wanted:1', 'old:1'] });
  const container = await engine.create(containerSpec({ name: 'c', image: 'in-use:1' }));
  wanted.push('wanted');
  wanted.push('wanted:1');

  await clock.advance(31 * minute);
  expect(await here()).toEqual(['in-use:1', 'wanted:1']);
  expect(records.all()).toHaveLength(2);

  // Its containers are gone, and with them the reason to keep it.
  await engine.remove(container);
  await clock.advance(31 * minute);
  expect(await here()).toEqual(['wanted:1']);
  await cleanup.stop();
  expect(clock.pendingTimers()).toBe(0);
});

test('a disk above the high mark is relieved batch after batch, down to the low mark and no further', async () => {
  const names = ['a:1', 'b:1', 'c:1', 'd:1', 'e:1'];
  const { clock, engine, cleanup, disk, here } = await world({ names, used: 90, perCycle: 1 });
  const gone: number[] = [];
  const removeImage = engine.removeImage.bind(engine);
  engine.removeImage = async (...args) => {
    await removeImage(...args);
    const left = await here();
    if (!gone.includes(left.length)) {
      gone.push(left.length);
      disk.used = (disk.used ?? 0) - 4;
    }
  };
  await clock.advance(2 * minute);
  expect(await here()).toEqual(['d:1', 'e:1']);
  await cleanup.stop();
});

test('a use counts, also one between two cycles', async () => {
  const { clock, images, cleanup, here } = await world({ names: ['a:1', 'b:1'], perCycle: 1 });
  await images.obtain('a:1');
  await clock.advance(31 * minute);
  expect(await here()).toEqual(['a:1']);
  await cleanup.stop();
});

test('nothing is removed while a pull is under way', async () => {
  const { clock, engine, images, cleanup, here } = await world({ names: ['old:1'] });
  engine.offerAtRegistry('slow:1');
  const pull = Promise.withResolvers<void>();
  engine.pull = () => pull.promise;
  const obtaining = images.obtain('slow:1').catch((error: unknown) => error);
  await clock.advance(40 * minute);
  expect(await here()).toEqual(['old:1']);
  pull.resolve();
  await obtaining;
  await clock.advance(5000);
  expect(await here()).toEqual([]);
  await cleanup.stop();
});

test('a pull that finds the disk full is tried again when an image has gone', async () => {
  const { clock, engine, images, cleanup, here } = await world({ names: ['old:1'] });
  engine.offerAtRegistry('new:1');
  engine.failNext('pull', { kind: 'disk-full', message: 'no space left on device' });
  const obtaining = images.obtain('new:1');
  await clock.advance(10_000);
  expect(await obtaining).toMatchObject({ pulled: true });
  expect(await here()).toEqual(['new:1']);
  await cleanup.stop();
});

test('an engine that does not answer removes nothing and is asked again', async () => {
  const { clock, engine, cleanup, here } = await world({ names: ['old:1'] });
  engine.failNext('list', { kind: 'unreachable' });
  await clock.advance(30 * minute);
  await settle();
  expect(await here()).toEqual(['old:1']);
  await clock.advance(2 * minute);
  expect(await here()).toEqual([]);
  await cleanup.stop();
});

test('an image that the engine will not remove holds up no other', async () => {
  const { clock, engine, cleanup, here } = await world({ names: ['stubborn:1', 'old:1'], used: 90 });
  engine.failNext('removeImage', { kind: 'in-use', times: 1 });
  await clock.advance(60_500);
  expect(await here()).toEqual(['stubborn:1']);
  await clock.advance(1000);
  expect(await here()).toEqual([]);
  await cleanup.stop();
});

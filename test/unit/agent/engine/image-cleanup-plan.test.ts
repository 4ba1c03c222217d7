import { describe, expect, test } from 'vitest';
import type { ListedImage } from '#agent/engine/container-engine.ts';
import {
  cleanupDue,
  diskLookMs,
  planCleanup,
  type CleanupSettings,
  type ImageRecord,
  type ImageSnapshot,
} from '#agent/engine/image-cleanup-plan.ts';

const minute = 60_000;
const hour = 60 * minute;
const now = 1_000 * hour;

const settings: CleanupSettings = {
  intervalMs: 30 * minute,
  minimumAgeMs: hour,
  untrackedMinimumAgeMs: hour,
  perCycle: 5,
  untracked: false,
  excluded: [],
  diskMarks: { high: 85, low: 80 },
};

/** Made and pulled ten hours ago, used never since. */
function anImage(id: string, image: Partial<ListedImage> = {}): ListedImage {
  const tags = [`registry.example/${id}:1`];
  return { id, tags, digests: [], sizeBytes: 100, createdAt: now - 10 * hour, ...image };
}

function aRecord(imageId: string, record: Partial<ImageRecord> = {}): ImageRecord {
  return { imageId, pulledAt: now - 10 * hour, usedAt: now - 10 * hour, ...record };
}

function plan(snapshot: Partial<ImageSnapshot>, changed: Partial<CleanupSettings> = {}) {
  const images = snapshot.images ?? [anImage('a')];
  const whole: ImageSnapshot = {
    records: images.map(({ id }) => aRecord(id)),
    inUse: new Set(),
    wanted: [],
    isOurs: () => true,
    relieving: false,
    ...snapshot,
    images,
  };
  const { remove, wakeAt } = planCleanup(whole, now, { ...settings, ...changed });
  return { removed: remove.map(({ id }) => id), inMs: wakeAt - now };
}

describe('an image goes', () => {
  test('when this agent pulled it long enough ago and nothing needs it', () => {
    expect(plan({}).removed).toEqual(['a']);
  });

  test.each<[string, Partial<ImageSnapshot>]>([
    ['a container has it, running or not', { inUse: new Set(['a']) }],
    ['an assigned task names it', { wanted: ['registry.example/a:1'] }],
    [
      'an assigned task names its digest',
      {
        images: [anImage('a', { tags: [], digests: [`registry.example/a@sha256:${'5'.repeat(64)}`] })],
        wanted: [`registry.example/a:1@sha256:${'5'.repeat(64)}`],
      },
    ],
    ['it was pulled a moment ago', { records: [aRecord('a', { pulledAt: now - hour + 1 })] }],
    ['this agent did not pull it', { records: [] }],
    ['somebody gave it a name of his own', { isOurs: () => false }],
  ])('not when %s', (_, snapshot) => {
    expect(plan(snapshot).removed).toEqual([]);
    expect(plan({ ...snapshot, relieving: true }).removed).toEqual([]);
  });

  test('not when an assigned task names it in another spelling', () => {
    const images = [anImage('a', { tags: ['nginx:latest'] })];
    expect(plan({ images, wanted: ['docker.io/library/nginx'] }).removed).toEqual([]);
  });

  test('not when its name is excluded', () => {
    expect(plan({}, { excluded: ['registry.example/a:1'] }).removed).toEqual([]);
  });

  test('also when its tag has moved to another image', () => {
    const images = [anImage('a', { tags: [], digests: ['registry.example/a@sha256:1'] })];
    expect(plan({ images }).removed).toEqual(['a']);
  });
});

test('the least recently used go first, so many in a cycle', () => {
  const images = ['a', 'b', 'c', 'd'].map((id) => anImage(id));
  const hoursUnused = { a: 1, b: 4, c: 2, d: 3 };
  const records = Object.entries(hoursUnused).map(([id, hours]) => aRecord(id, { usedAt: now - hours * hour }));
  expect(plan({ images, records }, { perCycle: 3 }).removed).toEqual(['b', 'd', 'c']);
});

describe('what this agent did not pull', () => {
  const images = [
    anImage('large', { sizeBytes: 300 }),
    anImage('small', { sizeBytes: 100 }),
    anImage('new', { createdAt: now - hour + 1 }),
    anImage('ours', { sizeBytes: 900 }),
  ];
  const records = [aRecord('ours')];

  test('stays', () => {
    expect(plan({ images, records }).removed).toEqual(['ours']);
  });

  test('goes when that is wanted, the smallest first, after all of our own', () => {
    expect(plan({ images, records }, { untracked: true }).removed).toEqual(['ours', 'small', 'large']);
  });
});

describe('the next look', () => {
  test('is a disk look later, or the next cycle when that is sooner', () => {
    expect(plan({}).inMs).toBe(diskLookMs);
    expect(plan({}, { intervalMs: 1000 }).inMs).toBe(1000);
  });

  test('is at once while space is needed and there was something to remove', () => {
    expect(plan({ relieving: true }).inMs).toBe(1000);
    expect(plan({ relieving: true, images: [] }).inMs).toBe(diskLookMs);
  });
});

describe('a cleaning is due', () => {
  const idle = { lastCycleAt: now, relieving: false };

  test('at the end of each interval', () => {
    expect(cleanupDue(idle, 50, now, settings)).toEqual({ kind: 'wait', wakeAt: now + diskLookMs, relieving: false });
    expect(cleanupDue(idle, 50, now + 30 * minute, settings)).toEqual({ kind: 'clean', relieving: false });
  });

  test('at any time above the high mark, and then until the low one', () => {
    expect(cleanupDue(idle, 85, now, settings).kind).toBe('wait');
    expect(cleanupDue(idle, 85.1, now, settings)).toEqual({ kind: 'clean', relieving: true });
    expect(cleanupDue({ ...idle, relieving: true }, 80.1, now, settings)).toEqual({ kind: 'clean', relieving: true });
    expect(cleanupDue({ ...idle, relieving: true }, 80, now, settings).kind).toBe('wait');
  });

  test('by age alone when the disk cannot be looked at', () => {
    expect(cleanupDue({ ...idle, relieving: true }, undefined, now, settings).kind).toBe('wait');
    expect(cleanupDue(idle, undefined, now + 30 * minute, settings).kind).toBe('clean');
  });
});

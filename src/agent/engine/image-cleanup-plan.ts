/**
 * Which images to remove, and when to look again: a pure decision. Invariants:
 * - never one that a container has, running or not, or that an assigned task names;
 * - never one that somebody else has given a name, and, unless untracked images are included, only what this agent has pulled;
 * - above the high mark of the disk one batch follows the other until the low mark; nothing else is given up for that.
 * docs/images.md; the settings are the ECS agent's.
 */
import type { ListedImage } from './container-engine.ts';
import { canonicalReference } from '#model/image-reference.ts';

export interface CleanupSettings {
  intervalMs: number;
  /** Of an image this agent pulled, since the pull. */
  minimumAgeMs: number;
  /** Of any other, since it was made. */
  untrackedMinimumAgeMs: number;
  perCycle: number;
  /** Also what this agent did not pull. */
  untracked: boolean;
  /** Names that are never removed. */
  excluded: readonly string[];
  /** Of the disk that holds the images, in percent used. */
  diskMarks: { high: number; low: number };
}

/** What this agent remembers of an image it pulled. Epoch milliseconds. */
export interface ImageRecord {
  imageId: string;
  pulledAt: number;
  usedAt: number;
}

/** How it stood at the last look; in memory only. */
export interface CleanupState {
  lastCycleAt: number;
  /** The high mark was reached and the low one not yet. */
  relieving: boolean;
}

export type CleanupDue = { kind: 'wait'; wakeAt: number; relieving: false } | { kind: 'clean'; relieving: boolean };

/** The disk is looked at more often than images are, because that costs nothing. */
export const diskLookMs = 60_000;

/** Between the batches above the marks: who waits for his image comes first. */
const reliefPauseMs = 1000;

/** `usedPercent` is undefined when the disk could not be looked at; then only age counts. */
export function cleanupDue(
  { lastCycleAt, relieving: before }: CleanupState,
  usedPercent: number | undefined,
  now: number,
  { intervalMs, diskMarks }: CleanupSettings,
): CleanupDue {
  const relieving = usedPercent !== undefined && usedPercent > (before ? diskMarks.low : diskMarks.high);
  const cycleAt = lastCycleAt + intervalMs;
  if (relieving || now >= cycleAt) return { kind: 'clean', relieving };
  return { kind: 'wait', wakeAt: Math.min(cycleAt, now + diskLookMs), relieving };
}

export interface ImageSnapshot {
  images: readonly ListedImage[];
  records: readonly ImageRecord[];
  /** Ids of images that containers have. */
  inUse: ReadonlySet<string>;
  /** References of tasks that have not ended. */
  wanted: readonly string[];
  /** Whether this agent has pulled that name. */
  isOurs(reference: string): boolean;
  relieving: boolean;
}

export interface CleanupPlan {
  /** In this order. */
  remove: readonly ListedImage[];
  wakeAt: number;
}

export function planCleanup(snapshot: ImageSnapshot, now: number, settings: CleanupSettings): CleanupPlan {
  const records = new Map(snapshot.records.map((record) => [record.imageId, record]));
  const kept = new Set([...snapshot.wanted, ...settings.excluded].map(canonicalReference));
  const tracked: { image: ListedImage; usedAt: number }[] = [];
  const untracked: ListedImage[] = [];
  for (const image of snapshot.images) {
    if (snapshot.inUse.has(image.id) || namesOf(image).some((name) => kept.has(canonicalReference(name)))) continue;
    const record = records.get(image.id);
    if (record !== undefined && image.tags.every(snapshot.isOurs)) {
      if (now - record.pulledAt >= settings.minimumAgeMs) tracked.push({ image, usedAt: record.usedAt });
    } else if (settings.untracked && now - image.createdAt >= settings.untrackedMinimumAgeMs) untracked.push(image);
  }
  const leastRecentlyUsed = tracked.toSorted((a, b) => a.usedAt - b.usedAt).map(({ image }) => image);
  const smallestFirst = untracked.toSorted((a, b) => a.sizeBytes - b.sizeBytes);
  const remove = [...leastRecentlyUsed, ...smallestFirst].slice(0, settings.perCycle);
  if (!snapshot.relieving) return { remove, wakeAt: now + Math.min(settings.intervalMs, diskLookMs) };
  return { remove, wakeAt: now + (remove.length > 0 ? reliefPauseMs : diskLookMs) };
}

/** All names of an image; each has to go before the image does. */
export function namesOf({ tags, digests }: Pick<ListedImage, 'tags' | 'digests'>): string[] {
  return [...tags, ...digests];
}

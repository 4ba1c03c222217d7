/**
 * Choosing instances for one request after another task of it, without looking at every instance for every task. A placement changes one candidate
 * and, for `spread`, the count of its value of the field; a candidate that was refused stays refused, since nothing is placed on it. So candidates
 * lie in heaps, ordered as the strategies rank them (see strategies.ts), and the filters are asked of those alone that come to the top.
 */
import type { Random } from '#lib/random.ts';
import type { PlacementStrategy } from '#model/placement.ts';
import { isInstanceField, ownTasks, placementFieldValue, type Candidate } from './candidate.ts';
import { refusalOf } from './filters.ts';
import { RankedGroups } from './lazy-heap.ts';
import type { PlacementRequest } from './placement-request.ts';
import { binpackMeasure, choose, effectiveStrategy } from './strategies.ts';

/** A candidate as it is after what was placed on it so far. */
export interface Slot {
  candidate: Candidate;
  /** By ARN: the last that decides among equals. */
  readonly rank: number;
}

export interface Chooser {
  /** Where the next task goes; undefined when every candidate refuses. */
  next(): Slot | undefined;
  /** The slot that `next` answered has one more task of the request: its candidate is the new one. */
  placed(slot: Slot): void;
}

export function createChooser(slots: readonly Slot[], request: PlacementRequest, random: Random): Chooser {
  const strategies = effectiveStrategy(request);
  const at = strategies.findIndex(({ type }) => type === 'random');
  return at < 0
    ? rankedChooser(slots, strategies, request)
    : siftingChooser(slots, request, (passed) =>
        at === 0 ? randomSlot(passed, random) : chosenSlot(passed, slots, request, random),
      );
}

/** Slots with their ranks, in the order of the candidates. */
export function slotsOf(candidates: readonly Candidate[]): Slot[] {
  const slots: { candidate: Candidate; rank: number }[] = candidates.map((candidate, rank) => ({ candidate, rank }));
  const arnOf = ({ candidate }: Slot): string => candidate.instance.containerInstanceArn;
  const isSorted = slots.every((slot, index) => {
    const before = slots[index - 1];
    return before === undefined || arnOf(before) < arnOf(slot);
  });
  if (isSorted) return slots;
  const sorted = slots.toSorted((a, b) => (arnOf(a) < arnOf(b) ? -1 : 1));
  for (const [rank, slot] of sorted.entries()) slot.rank = rank;
  return slots;
}

/** Groups by the value of the first strategy's field, when that spreads over something that many share. */
function rankedChooser(
  slots: readonly Slot[],
  strategies: readonly PlacementStrategy[],
  request: PlacementRequest,
): Chooser {
  const [first, ...others] = strategies;
  const isGrouped = first !== undefined && isSpread(first) && !isInstanceField(fieldOf(first));
  const outer = isGrouped ? sharedSpread(first, slots, request) : undefined;
  const inner = (outer === undefined ? strategies : others).map((strategy) => measureOf(strategy, slots, request));
  const ranked = new RankedGroups<Slot, Count>({
    items: slots,
    groupOf: (slot) => outer?.countOf(slot) ?? noCount,
    groupKey: ({ tasks }) => (outer === undefined ? [] : [tasks]),
    itemKey: (slot) => [...inner.map((measure) => measure.of(slot)), slot.candidate.occupants.length, slot.rank],
  });
  return {
    next() {
      for (;;) {
        const slot = ranked.top();
        if (slot === undefined || refusalOf(slot.candidate, request) === undefined) return slot;
        ranked.removeTop();
      }
    },
    placed(slot) {
      outer?.placed(slot);
      for (const measure of inner) measure.placed(slot);
    },
  };
}

/** Keeps the list of those that pass, in order; `pick` looks at all of it. */
function siftingChooser(
  slots: readonly Slot[],
  request: PlacementRequest,
  pick: (passed: readonly Slot[]) => Slot | undefined,
): Chooser {
  let passed = slots.filter(({ candidate }) => refusalOf(candidate, request) === undefined);
  return {
    next: () => pick(passed),
    placed(slot) {
      if (refusalOf(slot.candidate, request) !== undefined) passed = passed.filter((other) => other !== slot);
    },
  };
}

function randomSlot(passed: readonly Slot[], random: Random): Slot | undefined {
  return passed.length <= 1 ? passed[0] : passed[Math.floor(random.next() * passed.length)];
}

function chosenSlot(
  passed: readonly Slot[],
  slots: readonly Slot[],
  request: PlacementRequest,
  random: Random,
): Slot | undefined {
  const candidatesOf = (list: readonly Slot[]): Candidate[] => list.map(({ candidate }) => candidate);
  const chosen = choose(candidatesOf(passed), request, candidatesOf(slots), random);
  return passed.find(({ candidate }) => candidate === chosen);
}

/** What one strategy says of a slot: the lower the better. Slots are told apart by their ranks. */
interface Measure {
  of(slot: Slot): number;
  placed(slot: Slot): void;
}

function isSpread({ type }: PlacementStrategy): boolean {
  return type === undefined || type === 'spread';
}

function measureOf(strategy: PlacementStrategy, slots: readonly Slot[], request: PlacementRequest): Measure {
  if (isSpread(strategy)) {
    const isOverInstances = isInstanceField(fieldOf(strategy));
    return isOverInstances ? instanceSpread(slots, request) : sharedSpread(strategy, slots, request);
  }
  const measure = binpackMeasure(strategy);
  return { of: ({ candidate }) => measure(candidate), placed: () => undefined };
}

function fieldOf({ field = 'instanceId' }: PlacementStrategy): string {
  return field;
}

/** Over instances, or hosts, which are the same here. */
function instanceSpread(slots: readonly Slot[], request: PlacementRequest): Measure {
  const counts: number[] = [];
  for (const { rank, candidate } of slots) counts[rank] = ownTasks(candidate, request);
  const of = ({ rank }: Slot): number => counts[rank] ?? 0;
  return { of, placed: (slot) => void (counts[slot.rank] = of(slot) + 1) };
}

/** How many tasks to be spread a value of the field has. */
interface Count {
  tasks: number;
}

const noCount: Count = { tasks: 0 };

interface SharedSpread extends Measure {
  countOf(slot: Slot): Count;
}

/** Over a field whose values instances share; those without the attribute share one value, which no attribute can have. */
function sharedSpread(strategy: PlacementStrategy, slots: readonly Slot[], request: PlacementRequest): SharedSpread {
  const field = fieldOf(strategy);
  const byValue = new Map<string | undefined, Count>();
  const counts: Count[] = [];
  for (const { rank, candidate } of slots) {
    const value = placementFieldValue(candidate, field);
    const count = byValue.get(value) ?? { tasks: 0 };
    byValue.set(value, count);
    count.tasks += ownTasks(candidate, request);
    counts[rank] = count;
  }
  const countOf = ({ rank }: Slot): Count => counts[rank] ?? noCount;
  return { of: (slot) => countOf(slot).tasks, placed: (slot) => void (countOf(slot).tasks += 1), countOf };
}

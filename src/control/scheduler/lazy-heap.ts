/**
 * A heap whose keys may grow while their items lie in it: an item's key is asked again when it comes to the top, and only then. Correct as long as no
 * key becomes smaller, except that of the item on top, which then stays there.
 */

/** Compared from the first number on. Keys of one heap have one length. */
export type Key = readonly number[];

export class LazyHeap<Item> {
  readonly #keyOf: (item: Item) => Key;
  readonly #entries: { item: Item; key: Key }[];

  constructor(items: readonly Item[], keyOf: (item: Item) => Key) {
    this.#keyOf = keyOf;
    this.#entries = items.map((item) => ({ item, key: keyOf(item) }));
    for (let at = (this.#entries.length >> 1) - 1; at >= 0; at -= 1) this.#sink(at);
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** The item with the lowest key; undefined when there is none. */
  top(): Item | undefined {
    for (;;) {
      const [entry] = this.#entries;
      if (entry === undefined) return undefined;
      const key = this.#keyOf(entry.item);
      if (compareKeys(key, entry.key) === 0) return entry.item;
      entry.key = key;
      this.#sink(0);
    }
  }

  removeTop(): void {
    const last = this.#entries.pop();
    if (last === undefined || this.#entries.length === 0) return;
    this.#entries[0] = last;
    this.#sink(0);
  }

  #sink(start: number): void {
    const entries = this.#entries;
    const sinking = entries[start];
    if (sinking === undefined) return;
    let at = start;
    for (;;) {
      let below = 2 * at + 1;
      let lower = entries[below];
      if (lower === undefined) break;
      const right = entries[below + 1];
      if (right !== undefined && compareKeys(right.key, lower.key) < 0) {
        below += 1;
        lower = right;
      }
      if (compareKeys(lower.key, sinking.key) >= 0) break;
      entries[at] = lower;
      at = below;
    }
    entries[at] = sinking;
  }
}

export interface RankedItems<Item, Value> {
  readonly items: readonly Item[];
  groupOf(item: Item): Value;
  /** Compared first: what all items of a group share, so that a change of it moves the group and not each of its items. */
  groupKey(value: Value): Key;
  itemKey(item: Item): Key;
}

/** Two levels of heaps, for keys that begin with something many items share. */
export class RankedGroups<Item, Value> {
  readonly #groups: LazyHeap<LazyHeap<Item>>;

  constructor({ items, groupOf, groupKey, itemKey }: RankedItems<Item, Value>) {
    const values = new Map<LazyHeap<Item>, Value>();
    for (const [value, members] of Map.groupBy(items, groupOf)) values.set(new LazyHeap(members, itemKey), value);
    this.#groups = new LazyHeap([...values.keys()], (heap) => {
      const top = heap.top();
      const value = values.get(heap);
      return top === undefined || value === undefined ? [] : [...groupKey(value), ...itemKey(top)];
    });
  }

  top(): Item | undefined {
    return this.#groups.top()?.top();
  }

  removeTop(): void {
    const group = this.#groups.top();
    group?.removeTop();
    if (group?.isEmpty === true) this.#groups.removeTop();
  }
}

function compareKeys(a: Key, b: Key): number {
  for (let at = 0; at < a.length; at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Keys in order, in blocks, so that one more among a hundred thousand moves some hundred at most. A key is in it once. */

/** A block that has grown beyond this is divided. */
const largestBlock = 512;

export class SortedKeys {
  /** None is empty; the keys of each come before those of the next. */
  #blocks: string[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Instead of all that are in it. They must be in order, and none twice. */
  replace(keys: readonly string[]): void {
    this.#blocks = [];
    const length = largestBlock >> 1;
    for (let start = 0; start < keys.length; start += length) this.#blocks.push(keys.slice(start, start + length));
    this.#size = keys.length;
  }

  /** Many at once are sorted together with what is there. */
  addAll(keys: readonly string[]): void {
    if (keys.length * 8 > this.#size) this.replace([...new Set([...this.#blocks.flat(), ...keys])].toSorted());
    else for (const key of keys) this.#add(key);
  }

  each(visit: (key: string) => void): void {
    for (const block of this.#blocks) for (const key of block) visit(key);
  }

  /** Those after the key, or all. */
  *from(after?: string): Generator<string> {
    const first = after === undefined ? 0 : this.#blockOf(after);
    for (let at = first; at < this.#blocks.length; at += 1) {
      const block = this.#blocks[at] ?? [];
      const start = at === first && after !== undefined ? countUpTo(block, after) : 0;
      for (let index = start; index < block.length; index += 1) yield block[index] ?? '';
    }
  }

  #add(key: string): void {
    const at = this.#blockOf(key);
    const block = this.#blocks[at];
    if (block === undefined) {
      this.replace([key]);
      return;
    }
    const index = countUpTo(block, key);
    if (block[index - 1] === key) return;
    block.splice(index, 0, key);
    this.#size += 1;
    if (block.length > largestBlock) this.#blocks.splice(at + 1, 0, block.splice(block.length >> 1));
  }

  /** The last block that begins with the key or before it, or else the first. */
  #blockOf(key: string): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#blocks[middle]?.[0] ?? '') <= key) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

/** How many of them are not greater. */
function countUpTo(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

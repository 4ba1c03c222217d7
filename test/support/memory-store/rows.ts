/**
 * Rows in memory, the way a database has them: what is put is a copy without what is undefined, what is read cannot be changed, and all that a
 * transaction did can be taken back.
 */

/** Undone in reverse order. */
export type UndoLog = (() => void)[];

/**
 * A deeply frozen copy as JSON would have it: without fields and with null for elements that are undefined. What is frozen is taken for such a copy, and shared.
 */
export function settled<T>(value: T): T;
export function settled(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value;
  if (Object.isFrozen(value)) return value;
  const copy: unknown = Array.isArray(value)
    ? value.map((item: unknown) => settled(item) ?? null)
    : settledFields(value);
  return Object.freeze(copy);
}

/** Made in one piece, so that it stays what the compiler knows as a shape: one that grows field by field becomes a table, and much slower to read. */
function settledFields(value: object): object {
  const copy: Record<string, unknown> = { ...value };
  let complete = true;
  for (const name of Object.keys(copy)) {
    const kept: unknown = settled(copy[name]);
    if (kept === undefined) complete = false;
    copy[name] = kept;
  }
  return complete ? copy : Object.fromEntries(Object.entries(copy).filter(([, kept]) => kept !== undefined));
}

/** Told of every change of a row, those that take something back included. */
export type RowObserver<T> = (before: T | undefined, after: T | undefined) => void;

export class Rows<T extends object> {
  readonly #rows = new Map<string, T>();
  readonly #undo: UndoLog;
  readonly #observe: RowObserver<T> | undefined;

  constructor(undo: UndoLog, observe?: RowObserver<T>) {
    this.#undo = undo;
    this.#observe = observe;
  }

  get(key: string): T | undefined {
    return this.#rows.get(key);
  }

  values(): IterableIterator<T> {
    return this.#rows.values();
  }

  put(key: string, row: T): void {
    const before = this.#rows.get(key);
    this.#undo.push(() => this.#set(key, before));
    this.#set(key, settled(row));
  }

  /** The row that was there. */
  delete(key: string): T | undefined {
    const before = this.#rows.get(key);
    if (before === undefined) return undefined;
    this.#undo.push(() => this.#set(key, before));
    this.#set(key, undefined);
    return before;
  }

  #set(key: string, row: T | undefined): void {
    const before = this.#rows.get(key);
    if (row === undefined) this.#rows.delete(key);
    else this.#rows.set(key, row);
    this.#observe?.(before, row);
  }
}

/** Sets of keys by a value of the rows. */
export class KeyIndex {
  readonly #keys = new Map<string, Set<string>>();

  add(value: string, key: string): void {
    const keys = this.#keys.get(value);
    if (keys === undefined) this.#keys.set(value, new Set([key]));
    else keys.add(key);
  }

  remove(value: string, key: string): void {
    this.#keys.get(value)?.delete(key);
  }

  keys(value: string): ReadonlySet<string> {
    return this.#keys.get(value) ?? none;
  }
}

const none: ReadonlySet<string> = new Set();

/** Byte by byte, as the databases compare ASCII. */
export function inOrder<T>(rows: Iterable<T>, key: (row: T) => string): T[] {
  return [...rows].sort((a, b) => compareKeys(key(a), key(b)));
}

export function compareKeys(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

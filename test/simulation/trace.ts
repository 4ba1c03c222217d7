/**
 * What happened, one entry a happening, with the virtual time. Two runs of one seed give the same entries, byte for byte. Nobody reads the trace of a
 * seed that held, so a trace may also keep nothing: then nothing is put into words either.
 */
import { createHash } from 'node:crypto';

export interface TraceEntry {
  /** Since the start of the simulation. */
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
  /** What it concerns, as `service/front`, `task/0123abcd`, `host-2`. */
  readonly about: readonly string[];
}

/** In words, or the way to them. */
export type Words = string | (() => string);

export interface Trace {
  readonly entries: readonly TraceEntry[];
  /** Whether what is added is kept: what takes work to put into words need not be otherwise. */
  readonly keeps: boolean;
  add(who: string, what: Words, about?: readonly string[]): void;
  /** What is added from now on is not part of it. */
  end(): void;
  /** SHA-256 over all entries. */
  hash(): string;
}

export interface TraceOptions {
  /** In milliseconds since the start of the simulation. */
  now(): number;
  readonly keep: boolean;
}

export function createTrace({ now, keep }: TraceOptions): Trace {
  const entries: TraceEntry[] = [];
  let open = keep;
  return {
    entries,
    get keeps() {
      return open;
    },
    add(who, what, about = []) {
      if (open) entries.push({ atMs: now(), who, what: typeof what === 'string' ? what : what(), about });
    },
    end() {
      open = false;
    },
    hash() {
      const hash = createHash('sha256');
      for (const { atMs, who, what, about } of entries) hash.update(`${atMs} ${who} ${what} ${about.join(' ')}\n`);
      return hash.digest('hex');
    },
  };
}

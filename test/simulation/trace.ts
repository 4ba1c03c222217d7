/** What happened, one line a happening, with the virtual time. Two runs of one seed give the same lines, byte for byte. */
import { createHash } from 'node:crypto';

export interface Trace {
  readonly lines: readonly string[];
  add(who: string, what: string): void;
  /** What is added from now on is not part of it. */
  end(): void;
  /** SHA-256 over all lines. */
  hash(): string;
}

/** `now` is in milliseconds since the start of the simulation. */
export function createTrace(now: () => number): Trace {
  const lines: string[] = [];
  let ended = false;
  return {
    lines,
    add(who, what) {
      if (ended) return;
      const seconds = (now() / 1000).toFixed(3).padStart(9);
      lines.push(`${seconds}s ${who.padEnd(9)} ${what}`);
    },
    end() {
      ended = true;
    },
    hash: () => createHash('sha256').update(lines.join('\n')).digest('hex'),
  };
}

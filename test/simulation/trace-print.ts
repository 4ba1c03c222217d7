/** A trace for people: what happens at one moment stands together under one time, and one can ask for a part of it. */
import type { TraceEntry } from './trace.ts';

/** Whether it is about one of `subjects` (`service/front`, `task/0123abcd`, `host-2`), or done by it. All, when none is named. */
export function isAbout({ who, about }: TraceEntry, subjects: readonly string[]): boolean {
  return subjects.length === 0 || subjects.some((subject) => who === subject || about.some((each) => each === subject));
}

export function printTrace(entries: readonly TraceEntry[], subjects: readonly string[]): string[] {
  const lines: string[] = [];
  let last: number | undefined;
  for (const { atMs, who, what } of entries.filter((entry) => isAbout(entry, subjects))) {
    const time = atMs === last ? '' : timeText(atMs);
    lines.push(`${time.padStart(11)}  ${who.padEnd(9)} ${what}`);
    last = atMs;
  }
  return lines;
}

/** `1:02:03.456` since the start, without hours that are none. */
function timeText(ms: number): string {
  const [hours, minutes, seconds] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, (ms / 1000) % 60];
  const short = `${minutes}:${seconds.toFixed(3).padStart(6, '0')}`;
  return hours === 0 ? short : `${hours}:${short.padStart(9, '0')}`;
}

/** Epoch milliseconds to and from ISO 8601, for the edges that must print or read a moment. */

/** 1_700_000_000_000 -> '2023-11-14T22:13:20.000Z' */
export function toIsoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

/** Epoch milliseconds of an ISO 8601 text (RFC 3339 with nanoseconds, as Docker writes, included); undefined when it is none. */
export function parseIsoTime(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Epoch milliseconds of the header `Date` of HTTP, to the second; undefined when it is none. */
export function parseHttpTime(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** UTC to the millisecond in a form that sorts and that every file system takes, e.g. `20260131T235959.123Z`. */
export function fileNameTime(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[:-]/g, '');
}

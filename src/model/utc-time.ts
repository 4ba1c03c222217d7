/** Moments as people read them in reasons and events, to the second: `2026-11-21 15:00:00 UTC`. */

// The Swedish write dates as ISO 8601 does.
const format = new Intl.DateTimeFormat('sv-SE', { timeZone: 'UTC', dateStyle: 'short', timeStyle: 'medium' });

export function utcTime(epochMs: number): string {
  return `${format.format(epochMs)} UTC`;
}

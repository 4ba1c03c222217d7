/** Where tests write down how long something took, for the tables in docs/: the file that BERTH_TEST_MEASUREMENTS names, a line each. */
import { appendFileSync } from 'node:fs';

/** Answers the seconds, so that a test can hold them against its bound. */
export function measured(what: string, ms: number): number {
  const file = process.env['BERTH_TEST_MEASUREMENTS'];
  const seconds = ms / 1000;
  if (file !== undefined) appendFileSync(file, `${seconds.toFixed(1)} s\t${what}\n`);
  return seconds;
}

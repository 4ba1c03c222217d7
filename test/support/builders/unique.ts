/** What the builders share: names that are unique within a test file and the same in every run, and one moment in time. */

let made = 0;

/** The next of a row of distinct identifiers, as 32 lower-case hexadecimal digits like those of tasks and instances. */
export function uniqueId(): string {
  made += 1;
  return made.toString(16).padStart(32, '0');
}

/** 2026-01-01T00:00:00Z in epoch milliseconds: the moment at which built things were made, and where the manual clock starts. */
export const builtAt = 1_767_225_600_000;

/** Code that a test loads into a daemon before the daemon's own, as an environment for it. */
import { fileURLToPath } from 'node:url';

/** See preload/die-at-save.ts; the file need not be there yet. */
export function dyingAtSave(file: string): NodeJS.ProcessEnv {
  return { ...preloading(new URL('./preload/die-at-save.ts', import.meta.url)), BERTH_TEST_DIE_AT_SAVE: file };
}

/** See preload/shifted-clock.ts; the file holds a number. */
export function withShiftedClock(file: string): NodeJS.ProcessEnv {
  return { ...preloading(new URL('./preload/shifted-clock.ts', import.meta.url)), BERTH_TEST_CLOCK_SHIFT: file };
}

function preloading(module: URL): NodeJS.ProcessEnv {
  return { NODE_OPTIONS: `--import=${fileURLToPath(module)}` };
}

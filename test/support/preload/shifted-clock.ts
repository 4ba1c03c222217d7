/**
 * Loaded into a daemon before its own code: its wall clock is off by as many milliseconds as a file says, from the moment on that the file changes.
 * Timers go on as they were, as those of a machine do whose clock is set.
 */
import { readFileSync, watchFile } from 'node:fs';

const file = process.env['BERTH_TEST_CLOCK_SHIFT'] ?? '';
const lookEveryMs = 20;
const RealDate = Date;
let shiftMs = 0;

function look(): void {
  shiftMs = Number(readFileSync(file, 'utf8'));
}

look();
watchFile(file, { interval: lookEveryMs, persistent: false }, look);

RealDate.now = new Proxy(RealDate.now, {
  apply: (now, self) => Number(Reflect.apply(now, self, [])) + shiftMs,
});
globalThis.Date = new Proxy(RealDate, {
  construct: (target, given, newTarget) =>
    Reflect.construct(target, given.length === 0 ? [RealDate.now()] : given, newTarget) as object,
});

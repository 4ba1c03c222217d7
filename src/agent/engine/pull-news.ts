/** How a pull is getting on, in words for the user, seldom enough to be reported each time. */
import type { PullProgress } from './container-engine.ts';

/** `34 % of 81.2 MB`, then `unpacking 81.2 MB`. Undefined while nothing is known of its size. */
export function describeProgress({ currentBytes, totalBytes, status }: PullProgress): string | undefined {
  if (totalBytes === 0) return undefined;
  const isLoaded = currentBytes >= totalBytes && status !== 'Downloading';
  if (isLoaded) return `unpacking ${inMegabytes(totalBytes)}`;
  return `${Math.floor((100 * currentBytes) / totalBytes)} % of ${inMegabytes(totalBytes)}`;
}

export function describeRetry(delayMs: number, why: string): string {
  return `trying again in ${Math.ceil(delayMs / 1000)} s: ${why}`;
}

function inMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Whether what a pull said last is old enough to say something new. */
export function createPace(everyMs: number): (now: number) => boolean {
  let next = 0;
  return (now) => {
    if (now < next) return false;
    next = now + everyMs;
    return true;
  };
}

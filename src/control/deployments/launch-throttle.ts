/**
 * Growing delays between launches. A few failures are answered at once; after that each round of failures doubles the delay. Failed starts
 * wait up to 27 minutes, as in ECS; tasks that crash soon after they start wait up to a minute, which ECS lacks.
 */
import { freshProgress, type Deployment } from '#model/deployment.ts';
import type { SettledDeployment } from './probation.ts';

/** This many failed starts in a row are retried at once. */
export const freeFailedStarts = 3;
/** This many quick crashes in a row are replaced at once. */
export const freeQuickCrashes = 5;
const firstHoldMs = 1000;
const longestHoldForFailedStartsMs = 27 * 60 * 1000;
const longestHoldForCrashesMs = 60 * 1000;

/** The deployment with its launches held or set free. A hold that runs is not prolonged by what was launched before it. */
export function throttle({ deployment, newFailures }: SettledDeployment, now: number): Deployment {
  const progress = deployment.progress ?? freshProgress;
  const startsFail = deployment.failedTasks > freeFailedStarts;
  const crashes = progress.quickCrashes > freeQuickCrashes;
  if (!startsFail && !crashes) {
    if (deployment.launchesHeldUntil === undefined && deployment.progress?.holds === 0) return deployment;
    const { launchesHeldUntil: _, ...free } = deployment;
    return { ...free, progress: { ...progress, holds: 0 } };
  }
  if (newFailures === 0 || isHeld(deployment, now)) return deployment;
  const longest = startsFail ? longestHoldForFailedStartsMs : longestHoldForCrashesMs;
  const delay = Math.min(longest, firstHoldMs * 2 ** Math.min(progress.holds, 30));
  return { ...deployment, launchesHeldUntil: now + delay, progress: { ...progress, holds: progress.holds + 1 } };
}

/** A hold that ends later than any hold can was made by a clock that has been set back since: it is over. */
export function isHeld({ launchesHeldUntil }: Deployment, now: number): boolean {
  return (
    launchesHeldUntil !== undefined &&
    launchesHeldUntil > now &&
    launchesHeldUntil <= now + longestHoldForFailedStartsMs
  );
}

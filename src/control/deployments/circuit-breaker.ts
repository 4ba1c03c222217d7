/**
 * The circuit breaker of rolling deployments. Failed starts, failed pulls ahead of a stop, failed health checks and, which ECS does not count, quick
 * crashes add up; a shortage of room never counts. When the sum reaches the threshold the deployment has FAILED: it launches nothing more, and
 * with `rollback` the most recent deployment that completed is PRIMARY again. Images that three attempts did not find fail it at any threshold.
 */
import type { Deployment } from '#model/deployment.ts';
import type { BreakerThreshold, DeploymentCircuitBreaker, Service } from '#model/service.ts';

const fewestFailures = 3;
const mostFailures = 200;
const defaultThreshold: BreakerThreshold = { type: 'BOUNDED_PERCENT', value: 50 };
/** Whatever the threshold: an image that is missing or refused will be so the next time. */
export const mostImageFailures = 3;

/** Failures that are too many. Percents are of the latest desired count, rounded up; BOUNDED_PERCENT stays within 3 and 200. */
export function breakerThreshold(desiredCount: number, { type, value } = defaultThreshold): number {
  if (type === 'COUNT') return Math.max(1, value);
  const share = Math.max(1, Math.ceil((desiredCount * value) / 100));
  return type === 'UNBOUNDED_PERCENT' ? share : Math.min(mostFailures, Math.max(fewestFailures, share));
}

/** In a row, or since the deployment began when a healthy task does not reset them. */
export function breakerFailures(breaker: DeploymentCircuitBreaker | undefined, deployment: Deployment): number {
  const { failedTasks, progress } = deployment;
  if (breaker?.resetOnHealthyTask === false) return progress?.failures ?? 0;
  const { quickCrashes = 0, healthFailures = 0, failedPulls = 0 } = progress ?? {};
  return failedTasks + quickCrashes + healthFailures + failedPulls;
}

/** What trips it, if anything. */
export function breakerTrip(service: Service, primary: Deployment): 'failures' | 'images' | undefined {
  const breaker = service.deploymentConfiguration.deploymentCircuitBreaker;
  if (breaker?.enable !== true || primary.rolloutState !== 'IN_PROGRESS') return undefined;
  const threshold = breakerThreshold(service.desiredCount, breaker.thresholdConfiguration);
  if (breakerFailures(breaker, primary) >= threshold) return 'failures';
  return (primary.progress?.imageFailures ?? 0) >= mostImageFailures ? 'images' : undefined;
}

export function rollsBack(service: Service): boolean {
  const breaker = service.deploymentConfiguration.deploymentCircuitBreaker;
  return breaker?.enable === true && breaker.rollback;
}

/** The deployment to go back to: the newest that completed, also when it is on its way back itself. `deployments` newest first. */
export function lastCompleted(deployments: readonly Deployment[]): Deployment | undefined {
  return deployments.find(hasCompleted);
}

/** A way back that failed is no goal any more, although it had completed once. */
export function hasCompleted({ rolloutState, completedAt }: Deployment): boolean {
  return rolloutState === 'COMPLETED' || (rolloutState === 'IN_PROGRESS' && completedAt !== undefined);
}

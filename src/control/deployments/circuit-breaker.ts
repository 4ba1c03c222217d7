/**
 * The circuit breaker of rolling deployments. Failed starts, failed health checks and, which ECS does not count, quick crashes add up; a
 * shortage of room never counts. When the sum reaches the threshold the deployment has FAILED: it launches nothing more, and
 * with `rollback` the most recent deployment that completed is deployed again.
 */
import type { Deployment } from '#model/deployment.ts';
import type { Service } from '#model/service.ts';

const fewestFailures = 3;
const mostFailures = 200;

/** Half of desiredCount, rounded up, within 3 and 200. */
export function breakerThreshold(desiredCount: number): number {
  return Math.min(mostFailures, Math.max(fewestFailures, Math.ceil(desiredCount * 0.5)));
}

export function breakerFailures({ failedTasks, progress }: Deployment): number {
  return failedTasks + (progress?.quickCrashes ?? 0) + (progress?.healthFailures ?? 0);
}

export function breakerTrips(service: Service, primary: Deployment): boolean {
  if (service.deploymentConfiguration.deploymentCircuitBreaker?.enable !== true) return false;
  if (primary.rolloutState !== 'IN_PROGRESS') return false;
  return breakerFailures(primary) >= breakerThreshold(service.desiredCount);
}

/** The deployment to go back to. None when nothing completed before, or when the failed one was itself a way back. */
export function rollbackTarget(service: Service, primary: Deployment): Deployment | undefined {
  if (service.deploymentConfiguration.deploymentCircuitBreaker?.rollback !== true) return undefined;
  if (primary.rollbackOf !== undefined) return undefined;
  return lastCompleted(service.deployments.filter(({ id }) => id !== primary.id));
}

/** `deployments` newest first. */
export function lastCompleted(deployments: readonly Deployment[]): Deployment | undefined {
  return deployments.find(({ rolloutState }) => rolloutState === 'COMPLETED');
}

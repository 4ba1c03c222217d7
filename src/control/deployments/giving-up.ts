/**
 * When a rollout under way is given up: a user stops it, the circuit breaker trips, its deadline passes. It is FAILED then, for good, and the way back
 * begins in the same transaction where one is wanted and something completed before. A way back that fails is not taken back (I6).
 */
import type { Deployment } from '#model/deployment.ts';
import { parseDeploymentDeadline, policyOf, policyTags } from '#model/policy-tags.ts';
import type { Service } from '#model/service.ts';
import { breakerTrip, lastCompleted, mostImageFailures, rollsBack } from './circuit-breaker.ts';
import type { ServiceAction } from './actions.ts';
import { eventTexts, failureTexts } from './reasons.ts';

/** With the circuit breaker on, unless the service says otherwise. */
export const defaultDeadlineMs = 24 * 60 * 60_000;

/** When the rollout is given up (epoch ms), counted from its creation or from the beginning of the way back; undefined when never. */
export function deadlineOf(
  service: Service,
  { rolloutState, createdAt, rolledBackAt }: Deployment,
): number | undefined {
  if (rolloutState !== 'IN_PROGRESS') return undefined;
  const breaker = service.deploymentConfiguration.deploymentCircuitBreaker?.enable === true;
  const initial = breaker ? defaultDeadlineMs : 'never';
  const allowed = policyOf(service.tags, policyTags.deploymentDeadline, parseDeploymentDeadline, initial);
  return allowed === 'never' ? undefined : (rolledBackAt ?? createdAt) + allowed;
}

export interface GivenUp {
  deployment: Deployment;
  /** Beside saving the deployment. */
  actions: ServiceAction[];
}

/** Undefined while the rollout may go on. `older` newest first. */
export function givingUp(
  service: Service,
  primary: Deployment,
  older: readonly Deployment[],
  now: number,
): GivenUp | undefined {
  const cause = causeOf(service, primary, now);
  if (cause === undefined) return undefined;
  const { waiting: _, ...rest } = primary;
  const wanted = primary.stopRequest === undefined ? rollsBack(service) : primary.stopRequest.type === 'ROLLBACK';
  const target = wanted && primary.rollbackOf === undefined ? lastCompleted(older) : undefined;
  const deployment: Deployment = {
    ...rest,
    rolloutState: 'FAILED',
    rolloutStateReason: `${cause.reason} ${consequence(primary, wanted, target)}`,
    failedBy: cause.by,
  };
  const actions: ServiceAction[] = [
    { kind: 'addEvent', message: eventTexts.deploymentFailed(service.serviceName, primary.id, cause.event) },
  ];
  if (target !== undefined) {
    actions.push(
      { kind: 'rollBack', failedDeploymentId: primary.id, targetId: target.id },
      { kind: 'addEvent', message: eventTexts.rollingBack(service.serviceName, target.id) },
    );
  }
  return { deployment, actions };
}

interface Cause {
  by: NonNullable<Deployment['failedBy']>;
  reason: string;
  /** Ends "deployment failed: ". */
  event: string;
}

function causeOf(service: Service, primary: Deployment, now: number): Cause | undefined {
  if (primary.rolloutState !== 'IN_PROGRESS') return undefined;
  const { lastFailure } = primary.progress ?? {};
  if (primary.stopRequest !== undefined) {
    return { by: 'request', reason: failureTexts.stopped(primary.id), event: 'stopped by a user.' };
  }
  const trip = breakerTrip(service, primary);
  if (trip === 'failures') {
    return { by: 'breaker', reason: failureTexts.tasksFailed(lastFailure), event: 'tasks failed to start.' };
  }
  if (trip === 'images') {
    const reason = failureTexts.imagesFailed(mostImageFailures, lastFailure);
    return { by: 'breaker', reason, event: 'images could not be resolved.' };
  }
  const deadline = deadlineOf(service, primary);
  if (deadline === undefined || deadline > now) return undefined;
  const reason = failureTexts.tooLate(primary.id, deadline, primary.waiting);
  return { by: 'deadline', reason, event: 'its deadline passed.' };
}

function consequence(primary: Deployment, wanted: boolean, target: Deployment | undefined): string {
  if (target !== undefined) return failureTexts.rollingBack(primary.id, target.id);
  if (!wanted) return failureTexts.staysFailed(primary.id);
  return primary.rollbackOf === undefined
    ? failureTexts.noWayBack(primary.id)
    : failureTexts.noSecondWayBack(primary.id, primary.rollbackOf);
}

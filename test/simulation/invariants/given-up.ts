/** I25 and I28: a rollout ends at its deadline, and when a user stops it, and not before. */
import type { Deployment } from '#model/deployment.ts';
import type { Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';
import type { Change } from '../mirror.ts';
import { Violation } from '../violation.ts';
import type { Problem, RestView } from './rest-view.ts';

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000 };
const dayMs = 24 * 3_600_000;
/** What is due is done within this time. */
const overdueLimitMs = 60_000;

/** The look that starts tasks has asked first whether the rollout may go on. */
export function checkLateStarts(before: Service, after: Service, started: readonly Change<Task>[]): void {
  const deployment = before.deployments.find(({ status }) => status === 'PRIMARY');
  if (deployment?.rolloutState !== 'IN_PROGRESS') return;
  const deadline = latest([before, after], deployment);
  for (const { after: task } of started) {
    if (task?.deploymentId !== deployment.id) continue;
    if (deployment.stopRequest !== undefined) {
      throw new Violation('I28', `${deployment.id} of ${after.serviceName} was stopped by a user and started a task`);
    }
    if (task.createdAt >= deadline) {
      throw new Violation('I25', `${deployment.id} of ${after.serviceName} started a task after its deadline`);
    }
  }
}

export function checkEnds({ before, after }: Change<Service>): void {
  if (before === undefined || after === undefined) return;
  for (const deployment of after.deployments) {
    const was = before.deployments.find(({ id }) => id === deployment.id);
    if (deployment.rolloutState !== 'FAILED' || was === undefined || was.rolloutState === 'FAILED') continue;
    if (deployment.failedBy === 'deadline') checkNotEarly([before, after], deployment);
    if (deployment.failedBy === 'request') checkRequest(before, after, deployment);
  }
}

/** By what it says at its end: a way back may begin and end in one step. */
function checkNotEarly(services: readonly Service[], deployment: Deployment): void {
  const { id, updatedAt } = deployment;
  const deadline = Math.min(...services.map((service) => deadlineOf(service, deployment)));
  // When it is demoted in the same look, nothing else of it is written later.
  if (updatedAt < deadline)
    throw new Violation('I25', `${id} was given up ${deadline - updatedAt} ms before its deadline`);
}

/** ABORT goes nowhere, ROLLBACK to what completed last. */
function checkRequest(before: Service, { serviceName, deployments }: Service, { id, stopRequest }: Deployment): void {
  const isTakenBack = deployments.some(({ rollbackOf }) => rollbackOf === id);
  if (stopRequest?.type === 'ABORT' && isTakenBack) {
    throw new Violation('I28', `${id} of ${serviceName} was to be aborted and is taken back`);
  }
  const completed = before.deployments.filter(
    (each) => each.id !== id && (each.rolloutState === 'COMPLETED' || isOnItsWayBack(each)),
  );
  // A newer deployment may have overtaken the way back in the same step.
  const overtaken = deployments[0] !== undefined && !before.deployments.some((each) => each.id === deployments[0]?.id);
  if (stopRequest?.type === 'ROLLBACK' && completed.length > 0 && !isTakenBack && !overtaken) {
    throw new Violation('I28', `${id} of ${serviceName} was to be rolled back and is not`);
  }
}

function isOnItsWayBack({ rolloutState, completedAt }: Deployment): boolean {
  return rolloutState === 'IN_PROGRESS' && completedAt !== undefined;
}

/** At rest: what should have ended. */
export function givenUpProblems({ serviceName, deployments, ...service }: Service, view: RestView): Problem[] {
  const primary = deployments.find(({ status }) => status === 'PRIMARY');
  if (primary?.rolloutState !== 'IN_PROGRESS') return [];
  const { id, stopRequest } = primary;
  if (stopRequest !== undefined) {
    return [{ invariant: 'I28', what: `${id} of ${serviceName} was stopped by a user and goes on` }];
  }
  if (view.controlNow - deadlineOf(service, primary) <= overdueLimitMs) return [];
  return [{ invariant: 'I25', what: `${id} of ${serviceName} goes on after its deadline` }];
}

function latest(services: readonly Service[], deployment: Deployment): number {
  return Math.max(...services.map((service) => deadlineOf(service, deployment)));
}

/** By control's clock. */
function deadlineOf(
  { tags, deploymentConfiguration }: Pick<Service, 'tags' | 'deploymentConfiguration'>,
  { createdAt, rolledBackAt }: Deployment,
): number {
  const text = tags.find(({ key }) => key === 'berth:deployment-deadline')?.value;
  const breaker = deploymentConfiguration.deploymentCircuitBreaker?.enable === true;
  const allowed = text === undefined ? (breaker ? dayMs : Infinity) : durationOf(text);
  return (rolledBackAt ?? createdAt) + allowed;
}

/** As the users of the simulation write it. */
export function durationOf(text: string): number {
  const [, count, unit = ''] = /^(\d+)([sm])$/.exec(text) ?? [];
  return count === undefined ? Infinity : Number(count) * (units[unit] ?? Infinity);
}

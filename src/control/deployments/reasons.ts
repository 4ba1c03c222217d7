/** What users read about deployments and services, in ECS's words where ECS has words for it. */
import { arnId } from '#model/arn.ts';
import { reasonInShort } from '#model/pull-failure.ts';
import type { Waiting } from '#model/deployment.ts';
import type { Service } from '#model/service.ts';
import { utcTime } from '#model/utc-time.ts';

export function inProgressReason(id: string, waiting?: Waiting, deadline?: number): string {
  return withOutlook(`ECS deployment ${id} in progress.`, waiting, deadline);
}

function withOutlook(progress: string, waiting: Waiting | undefined, deadline: number | undefined): string {
  const parts = [progress];
  if (waiting !== undefined) parts.push(`Waiting: ${waiting.reason}.`);
  if (deadline !== undefined) parts.push(`Deadline: ${utcTime(deadline)}.`);
  return parts.join(' ');
}

export function completedReason(id: string): string {
  return `ECS deployment ${id} completed.`;
}

/** Why a rollout was given up, and what follows. */
export const failureTexts = {
  tasksFailed: (lastFailure: string | undefined) =>
    `ECS deployment circuit breaker: tasks failed to start.${lastFailureText(lastFailure)}`,
  imagesFailed: (times: number, lastFailure: string | undefined) =>
    `ECS deployment circuit breaker: image resolution failed ${times} times.${lastFailureText(lastFailure)}`,
  tooLate: (id: string, deadline: number, waiting: Waiting | undefined) =>
    `ECS deployment ${id} did not complete before its deadline, ${utcTime(deadline)}.` +
    (waiting === undefined ? '' : ` It was waiting for: ${waiting.reason}.`),
  stopped: (id: string) => `ECS deployment ${id} was stopped by a user.`,
  rollingBack: (id: string, targetId: string) => `Rolling back deploymentId ${id} to deploymentId ${targetId}.`,
  staysFailed: (id: string) => `DeploymentId ${id} is not rolled back.`,
  noWayBack: (id: string) =>
    `DeploymentId ${id} cannot be rolled back, because no deployment of the service completed before it.`,
  noSecondWayBack: (id: string, rollbackOf: string) =>
    `DeploymentId ${id} is itself the way back from deploymentId ${rollbackOf} and is not rolled back.`,
} as const;

function lastFailureText(lastFailure: string | undefined): string {
  return lastFailure === undefined ? '' : ` Last failure: ${lastFailure.replace(/\.$/, '')}.`;
}

export function rollbackReason(targetId: string, failedId: string, waiting?: Waiting, deadline?: number): string {
  const progress = `ECS deployment circuit breaker: rolling back to deploymentId ${targetId} from deploymentId ${failedId}.`;
  return withOutlook(progress, waiting, deadline);
}

/** What the history of a service says of rollouts that others ended. */
export const historyTexts = {
  superseded: (id: string) => `Superseded by deploymentId ${id}.`,
  deleted: 'The service was deleted.',
} as const;

export function scalingReason(deploymentId: string): string {
  return `Scaling activity initiated by (deployment ${deploymentId})`;
}

export const unhealthyReason = 'Task failed container health checks';
export const drainingReason = 'Container instance is draining';

/** What a service waits for whose percentages allow neither a stop nor a start. */
export const deadlockReason = 'a deployment configuration that lets tasks stop or start';
/** Of a task whose instance is back: the one that took its place stays. */
export function replacedReason(instanceId: string): string {
  return `The task was replaced while container instance ${instanceId} was silent, and its replacement stays (berth:on-return is newest)`;
}

export const giveWayReason = 'The task that this one replaced is back and stays (berth:on-return is original)';

/** Long lists are cut so that an event stays readable. */
const mostNamedTasks = 20;

function namedTasks(taskArns: readonly string[]): string {
  const named = taskArns.slice(0, mostNamedTasks).map((arn) => `(task ${arnId(arn)})`);
  const more = taskArns.length - named.length;
  return more > 0 ? `${named.join(' ')} and ${more} more` : named.join(' ');
}

/** Whom an event speaks of, as the first argument of `eventTexts`: the service, with the task set where it has task sets. */
export function eventSubject(
  { serviceName, deploymentController }: Pick<Service, 'serviceName' | 'deploymentController'>,
  deploymentId: string | undefined,
): string {
  if (deploymentController !== 'EXTERNAL' || deploymentId === undefined) return serviceName;
  return `${serviceName}, taskSet ${deploymentId}`;
}

export function rebalancingReason(deploymentId: string): string {
  return `Rebalancing initiated by (deployment ${deploymentId})`;
}

type Counts = readonly (readonly [value: string, count: number])[];

/** ECS's words for zones; for instances, which ECS does not rebalance, words like them. */
export const rebalancingTexts = {
  zones: {
    started: (service: string, counts: Counts) =>
      `(service ${service}) is not AZ balanced with ${namedCounts(counts)}. AZ Rebalancing in progress.`,
    completed: (service: string, counts: Counts) => `(service ${service}) is AZ balanced with ${namedCounts(counts)}.`,
    stopped: (service: string) => `(service ${service}) has stopped AZ rebalancing.`,
    taskStarted: (service: string, zone: string, taskArn: string) =>
      `(service ${service}) has started 1 tasks in ${zone} to AZ Rebalance: ${namedTasks([taskArn])}.`,
    taskStopped: (service: string, zone: string, taskArn: string) =>
      `(service ${service}) has stopped 1 running tasks in ${zone} due to AZ rebalancing: ${namedTasks([taskArn])}.`,
  },
  instances: {
    started: (service: string, counts: Counts) =>
      `(service ${service}) is not balanced over container instances with ${range(counts)}. Rebalancing in progress.`,
    completed: (service: string, counts: Counts) =>
      `(service ${service}) is balanced over container instances with ${range(counts)}.`,
    stopped: (service: string) => `(service ${service}) has stopped rebalancing over container instances.`,
    taskStarted: (service: string, instance: string, taskArn: string) =>
      `(service ${service}) has started 1 tasks on (instance ${instance}) to rebalance: ${namedTasks([taskArn])}.`,
    taskStopped: (service: string, instance: string, taskArn: string) =>
      `(service ${service}) has stopped 1 running tasks on (instance ${instance}) due to rebalancing: ${namedTasks([taskArn])}.`,
  },
} as const;

function namedCounts(counts: Counts): string {
  return counts.map(([zone, count]) => `${count} tasks in ${zone}`).join(', ');
}

function range(counts: Counts): string {
  const all = counts.map(([, count]) => count);
  return `${Math.min(...all)} to ${Math.max(...all)} tasks on each`;
}

export const eventTexts = {
  steadyState: (service: string) => `(service ${service}) has reached a steady state.`,
  started: (service: string, taskArns: readonly string[]) =>
    `(service ${service}) has started ${taskArns.length} tasks: ${namedTasks(taskArns)}.`,
  stopped: (service: string, taskArns: readonly string[]) =>
    `(service ${service}) has stopped ${taskArns.length} running tasks: ${namedTasks(taskArns)}.`,
  /** `explanation` comes from placement. */
  unableToPlace: (service: string, explanation: string) =>
    `(service ${service}) was unable to place a task ${explanation}`,
  deadlock: (service: string) =>
    `(service ${service}) was unable to stop or start tasks during a deployment because of the service deployment configuration. ` +
    'Update the minimumHealthyPercent or maximumPercent value and try again.',
  unableToPull: (service: string, id: string, containerInstanceArn: string, reason: string) =>
    `(service ${service}) was unable to pull the images of (deployment ${id}) on (container-instance ${arnId(containerInstanceArn)}): ` +
    `${reasonInShort(reason)}. Its old tasks go on.`,
  underProtection: (service: string, deploymentId: string, count: number) =>
    `(service ${service}) was unable to reach steady state because (taskSet ${deploymentId}) was unable to scale in due to ` +
    `(reason ${count} tasks under protection).`,
  lost: (service: string, taskArns: readonly string[]) =>
    `(service ${service}) has lost ${taskArns.length} tasks on container instances that are silent: ${namedTasks(taskArns)}.`,
  back: (service: string, taskArns: readonly string[]) =>
    `(service ${service}) has ${taskArns.length} lost tasks back on container instances that answer again: ${namedTasks(taskArns)}.`,
  startsImpaired: (service: string) => `(service ${service}) is unable to consistently start tasks successfully.`,
  crashing: (service: string) => `(service ${service}) has tasks that stop soon after they start.`,
  unhealthy: (service: string, taskArn: string) =>
    `(service ${service}) (task ${arnId(taskArn)}) failed container health checks.`,
  deploymentCompleted: (service: string, id: string) => `(service ${service}) (deployment ${id}) deployment completed.`,
  deploymentFailed: (service: string, id: string, why: string) =>
    `(service ${service}) (deployment ${id}) deployment failed: ${why}`,
  rollingBack: (service: string, id: string) => `(service ${service}) rolling back to (deployment ${id}).`,
} as const;

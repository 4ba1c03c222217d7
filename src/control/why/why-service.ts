/**
 * Why a service is where it is. Pure: what it says of the future was decided by the very code that decides for the service, on the same snapshot
 * (reconciler/foresee.ts).
 */
import { arnId } from '#model/arn.ts';
import type { Deployment } from '#model/deployment.ts';
import type { Service } from '#model/service.ts';
import { computedDesiredCount, isTaskSet, taskSetsOf, taskSetStatus } from '#model/task-set.ts';
import { isProtected } from '#model/task-protection.ts';
import type { Task } from '#model/task.ts';
import { utcTime } from '#model/utc-time.ts';
import type { WhyAnswer, WhyDeployment, WhyFinding, WhyPlacement } from '#protocol/why.ts';
import { tasksOnSilent } from '../deployments/absences.ts';
import { isOnDraining } from '../deployments/census.ts';
import { breakerFailures, breakerThreshold } from '../deployments/circuit-breaker.ts';
import type { ServiceDecision } from '../deployments/decide-service.ts';
import { isHeld } from '../deployments/launch-throttle.ts';
import { rolloutLimits } from '../deployments/limits.ts';
import { deadlockReason } from '../deployments/reasons.ts';
import type { ServiceSnapshot } from '../deployments/snapshot.ts';
import { isAlive, isLive, isLost, isRunning, isUnhealthy } from '../deployments/task-health.ts';
import { counted, shortArn } from './words.ts';

export interface ServiceView {
  snapshot: ServiceSnapshot;
  /** What the next look would decide. */
  decision: ServiceDecision;
  /** Tasks that it would find no place for. */
  placement: readonly WhyPlacement[];
  /** The newest task of the service that ended by itself, where any did of late. */
  lastFailed?: Task;
  now: number;
}

const mostEvents = 5;

export function whyService(view: ServiceView): WhyAnswer {
  const { snapshot, decision, placement, now } = view;
  const { service } = snapshot;
  const rolls = service.schedulingStrategy === 'REPLICA' && service.deploymentController === 'ECS';
  return {
    kind: 'service',
    name: service.serviceName,
    arn: service.serviceArn,
    status: service.status,
    summary: summaryOf(view),
    findings: [
      goal(view),
      ...waiting(decision),
      ...placement.flatMap(placementFindings),
      ...percentages(view),
      ...service.deployments.flatMap((deployment) => deploymentFindings(service, deployment, now)),
      ...failure(view),
      ...protection(view),
      ...health(view),
      ...draining(view),
      ...absent(view),
    ],
    placement: [...placement],
    deployments: service.deployments.map((deployment) => deploymentPart(snapshot, deployment, now)),
    ...(rolls ? { limits: { desired: service.desiredCount, ...rolloutLimits(service) } } : {}),
    ...(decision.wakeAt === undefined ? {} : { nextLookAt: decision.wakeAt }),
    events: service.events.slice(0, mostEvents).map(({ createdAt, message }) => ({ at: createdAt, message })),
  };
}

function summaryOf({ snapshot, decision, placement }: ServiceView): string {
  const { service, tasks } = snapshot;
  const running = `${tasks.filter(isRunning).length} of ${counted(wantedTasks(service), 'wanted task')} run`;
  if (service.status === 'INACTIVE') return 'It was deleted and runs nothing.';
  if (decision.waiting === undefined) return `It has what it wants: ${running}.`;
  const waits = `${service.status === 'DRAINING' ? 'It is being deleted. ' : ''}It waits for ${decision.waiting.reason}`;
  const [refused] = placement;
  return refused === undefined ? `${waits}: ${running}.` : `${waits}: ${running}. ${placementText(refused)}.`;
}

/** The desired count, or what the scales of its task sets make of it. */
function wantedTasks(service: Service): number {
  if (service.deploymentController !== 'EXTERNAL') return service.desiredCount;
  return taskSetsOf(service).reduce((sum, set) => sum + computedDesiredCount(service, set), 0);
}

/** "2 tasks find no place among 4 container instances; the nearest, host-3 (0123abcd), needs …" */
function placementText({ tasks, instances, nearest: [nearest] }: WhyPlacement): string {
  const none = `${counted(tasks, 'task')} ${tasks === 1 ? 'finds' : 'find'} no place`;
  if (instances === 0) return `${none}: the cluster has no container instances (start \`berth agent\` on a machine)`;
  const among = `${none} among ${counted(instances, 'container instance')}`;
  if (nearest === undefined) return among;
  const lacks = nearest.missing.map(({ text }) => text).join('; ');
  return `${among}; the nearest, ${nearest.hostname} (${shortArn(nearest.containerInstanceArn)}): ${lacks}`;
}

function placementFindings(placement: WhyPlacement): WhyFinding[] {
  const { fitting, instances, refusals, tasks, deploymentId = '' } = placement;
  const why = refusals.map(({ text }) => text).join(', ');
  const fits = fitting === 0 ? 'none' : counted(fitting, 'container instance');
  const text = `${counted(tasks, 'task')} of ${deploymentId} without a place; ${fits} of ${instances} would take one now`;
  return [{ topic: 'placement', text: why === '' ? text : `${text}: ${why}` }];
}

function goal({ snapshot: { service, tasks } }: ServiceView): WhyFinding {
  const running = tasks.filter(isRunning).length;
  const starting = tasks.filter((task) => isAlive(task) && !isRunning(task)).length;
  const leaving = tasks.filter((task) => isLive(task) && !isAlive(task)).length;
  return {
    topic: 'goal',
    text: `${wantedTasks(service)} wanted, ${running} running, ${starting} starting, ${leaving} stopping`,
  };
}

function waiting({ waiting: told, wakeAt }: ServiceDecision): WhyFinding[] {
  if (told === undefined) return [];
  const until = told.until ?? wakeAt;
  return [{ topic: 'waiting', text: told.reason, ...(until === undefined ? {} : { until }) }];
}

/** With both bounds in tasks, and what would end a deadlock. */
function percentages({ snapshot: { service, tasks }, decision }: ServiceView): WhyFinding[] {
  if (decision.waiting?.reason !== deadlockReason) return [];
  const { desiredCount: desired, deploymentConfiguration } = service;
  const { minimumHealthyPercent, maximumPercent } = deploymentConfiguration;
  const { floor, ceiling } = rolloutLimits(service);
  const higher = Math.ceil(((desired + 1) * 100) / desired);
  const lower = Math.floor(((desired - 1) * 100) / desired);
  const text =
    `neither a stop nor a start is allowed: minimumHealthyPercent ${minimumHealthyPercent} of ${desired} keeps ${floor} running, ` +
    `maximumPercent ${maximumPercent} allows ${ceiling}, and ${tasks.filter(isRunning).length} run; ` +
    `set maximumPercent to ${higher} or more, or minimumHealthyPercent to ${lower} or less`;
  return [{ topic: 'percentages', text }];
}

function deploymentFindings(service: Service, deployment: Deployment, now: number): WhyFinding[] {
  const { id, launchesHeldUntil, failedTasks, progress, waiting: told } = deployment;
  const findings: WhyFinding[] = [];
  if (isTaskSet(deployment)) {
    const { scalePercent, stabilityStatus, stabilityStatusAt } = deployment.taskSet;
    const share = `${scalePercent} % of ${service.desiredCount}, ${counted(computedDesiredCount(service, deployment), 'task')}`;
    const waits = told === undefined ? '' : `: waits for ${told.reason}`;
    const text = `task set ${id} (${taskSetStatus(deployment)}, ${share}) is ${stabilityStatus}${waits}`;
    findings.push({ topic: 'deployment', text, at: stabilityStatusAt });
  } else findings.push({ topic: 'deployment', text: `${id} (${deployment.status}): ${deployment.rolloutStateReason}` });
  if (launchesHeldUntil !== undefined && isHeld(deployment, now)) {
    const crashes = progress?.quickCrashes ?? 0;
    const why =
      failedTasks > 0 ? `${failedTasks} starts failed in a row` : `${crashes} tasks in a row ended soon after they ran`;
    findings.push({ topic: 'delay', text: `${id} launches nothing for a while: ${why}`, until: launchesHeldUntil });
  }
  const breaker = breakerOf(service, deployment);
  if (breaker !== undefined) {
    const text = `the circuit breaker of ${id} has counted ${breaker.failures} of ${breaker.threshold} failures`;
    findings.push({ topic: 'breaker', text });
  }
  return findings;
}

/** Of a rollout that the breaker watches. */
function breakerOf(service: Service, deployment: Deployment): WhyDeployment['breaker'] {
  const breaker = service.deploymentConfiguration.deploymentCircuitBreaker;
  if (breaker?.enable !== true) return undefined;
  if (deployment.status !== 'PRIMARY' || deployment.rolloutState !== 'IN_PROGRESS') return undefined;
  return {
    failures: breakerFailures(breaker, deployment),
    threshold: breakerThreshold(service.desiredCount, breaker.thresholdConfiguration),
  };
}

function failure({ lastFailed: task }: ServiceView): WhyFinding[] {
  if (task === undefined) return [];
  const details = task.containers.flatMap(({ name, reason }) => (reason === undefined ? [] : `${name}: ${reason}`));
  const why = [task.stoppedReason ?? task.stopCode ?? 'it ended', ...details].join('; ');
  const text = `the last task that failed, ${arnId(task.taskArn)}: ${why} (see \`berth why ${arnId(task.taskArn)}\`)`;
  return [{ topic: 'failure', text, ...(task.stoppedAt === undefined ? {} : { at: task.stoppedAt }) }];
}

function protection({ snapshot: { tasks }, now }: ServiceView): WhyFinding[] {
  const kept = tasks.filter((task) => isAlive(task) && isProtected(task, now));
  if (kept.length === 0) return [];
  const until = Math.min(...kept.map(({ protectedUntil = Infinity }) => protectedUntil));
  const last = utcTime(Math.max(...kept.map(({ protectedUntil = 0 }) => protectedUntil)));
  return [{ topic: 'protection', text: `${counted(kept.length, 'task')} protected, the last until ${last}`, until }];
}

function health({ snapshot: { service, tasks }, now }: ServiceView): WhyFinding[] {
  const failing = tasks.filter((task) => isAlive(task) && task.healthStatus === 'UNHEALTHY');
  if (failing.length === 0) return [];
  const inGrace = failing.filter((task) => !isUnhealthy(task, service, now)).length;
  const grace = inGrace === 0 ? '' : `, ${inGrace} of them within the grace period`;
  return [{ topic: 'health', text: `${counted(failing.length, 'task')} UNHEALTHY${grace}` }];
}

function draining({ snapshot }: ServiceView): WhyFinding[] {
  const leaving = snapshot.tasks.filter((task) => isAlive(task) && isOnDraining(task, snapshot));
  if (leaving.length === 0) return [];
  return [
    { topic: 'drain', text: `${counted(leaving.length, 'task')} on DRAINING container instances to be replaced` },
  ];
}

/** On instances whose agents are silent. */
function absent({ snapshot, now }: ServiceView): WhyFinding[] {
  const { tasks: silent, lostAt } = tasksOnSilent(snapshot, now);
  const lost = snapshot.tasks.filter(isLost).length;
  const findings: WhyFinding[] = [];
  if (silent.length > 0) {
    const then = lostAt === undefined ? 'to stay there' : 'to be replaced when that lasts';
    const text = `${counted(silent.length, 'task')} on container instances whose agents are silent, ${then}`;
    findings.push({ topic: 'agent', text, ...(lostAt === undefined ? {} : { until: lostAt }) });
  }
  if (lost > 0)
    findings.push({ topic: 'agent', text: `${counted(lost, 'task')} lost with silent container instances` });
  return findings;
}

function deploymentPart({ service, tasks }: ServiceSnapshot, deployment: Deployment, now: number): WhyDeployment {
  const own = tasks.filter(({ deploymentId }) => deploymentId === deployment.id);
  const { waiting: told, launchesHeldUntil } = deployment;
  const breaker = breakerOf(service, deployment);
  return {
    id: deployment.id,
    status: isTaskSet(deployment) ? taskSetStatus(deployment) : deployment.status,
    rolloutState: deployment.rolloutState,
    rolloutStateReason: deployment.rolloutStateReason,
    taskDefinition: deployment.taskDefinitionArn,
    desiredCount: isTaskSet(deployment) ? computedDesiredCount(service, deployment) : deployment.desiredCount,
    runningCount: own.filter(isRunning).length,
    pendingCount: own.filter((task) => isAlive(task) && !isRunning(task)).length,
    failedTasks: deployment.failedTasks,
    ...(told === undefined ? {} : { waitingFor: told.reason }),
    ...(told?.until === undefined ? {} : { waitingUntil: told.until }),
    ...(launchesHeldUntil !== undefined && isHeld(deployment, now) ? { launchesHeldUntil } : {}),
    ...(breaker === undefined ? {} : { breaker }),
  };
}

/**
 * What must be true once the faults have stopped and everything had time: services are steady or say why they cannot be (I8, I12), and every
 * container belongs to a live task and every live task has its containers (I13).
 */
import { taskArnLabel, containerNameLabel } from '#agent/tasks/container-config.ts';
import { arnId, defaultRealm, serviceArn } from '#model/arn.ts';
import { isEssential } from '#model/container-definition.ts';
import type { Service } from '#model/service.ts';
import { hasStopped, type Task } from '#model/task.ts';
import type { SimulatedHost } from '#test/support/simulated-host.ts';
import { canBeSteady, failsAtOnce } from '../programs.ts';
import { balanceProblems } from './balance.ts';
import { drainProblems } from './drains.ts';
import { givenUpProblems } from './given-up.ts';
import { ceilingOf, floorOf } from './limits.ts';
import type { Problem, RestView } from './rest-view.ts';
import { findsNoRoom, hasNoRoom } from './room.ts';
import { taskSetProblems } from './task-sets.ts';

/** Twice as long as the agents of the simulation keep what is left of an ended task. */
const remainsMs = 2 * 180_000;
/** Twice ECS's stop timeout: a stop that takes longer hangs. */
const stopMs = 2 * 30_000;
/** What is due is done within this time. */
const overdueLimitMs = 60_000;

/** Everything that is not as it should be at rest; empty when all is well. */
export function problemsAtRest(view: RestView): Problem[] {
  const { rows, hosts } = view;
  return [
    ...hosts.flatMap((host) => machineProblems(host, view)),
    ...[...rows.services.values()].flatMap((service) => serviceProblems(service, view)),
    ...rows.live().flatMap((task) => taskProblems(task, view)),
    ...drainProblems(view),
  ];
}

/** Whether the service's tasks can run at all; those that cannot are tried for ever, or until their deployment has failed. */
export function isRunnable(taskDefinitionArn: string, { definitions }: Pick<RestView, 'definitions'>): boolean {
  const images = definitions.get(taskDefinitionArn)?.body.containerDefinitions.map(({ image }) => image) ?? [];
  return images.length > 0 && canBeSteady(images);
}

function machineProblems(host: SimulatedHost, { rows }: RestView): Problem[] {
  const problems: Problem[] = [];
  const instance = host.registration(rows.instances);
  if (instance === undefined) problems.push({ invariant: 'I12', what: `${host.name} is not registered` });
  else if (!instance.agentConnected) problems.push({ invariant: 'I12', what: `${host.name} is not connected` });
  else if (instance.health.status !== 'OK') {
    problems.push({ invariant: 'I12', what: `${host.name} is ${instance.health.status}: ${instance.health.reason}` });
  }
  for (const { labels, name, state, finishedAt, createdAt } of host.engine.containers()) {
    const task = rows.tasks.get(labels[taskArnLabel] ?? '');
    if (task !== undefined && !hasStopped(task)) continue;
    // What is left of an ended task is kept for a while by design.
    const endedAgoMs = host.now() - (finishedAt ?? createdAt);
    if (state !== 'running' && endedAgoMs < remainsMs) continue;
    const of = task === undefined ? 'a task that control does not know' : 'a STOPPED task';
    problems.push({ invariant: 'I13', what: `${name} (${state}) on ${host.name} is of ${of}` });
  }
  return problems;
}

function serviceProblems(service: Service, view: RestView): Problem[] {
  const { serviceName, status, deployments } = service;
  if (status === 'INACTIVE') return [];
  if (status === 'DRAINING') return [{ invariant: 'I12', what: `service ${serviceName} is still DRAINING` }];
  if (service.deploymentController !== 'ECS') return taskSetProblems(service, view, { isRunnable, hasNoRoom });
  const primary = deployments.find((deployment) => deployment.status === 'PRIMARY');
  if (primary === undefined) return [{ invariant: 'I8', what: `service ${serviceName} has no PRIMARY deployment` }];
  const live = view.rows.liveOf(serviceName);
  const running = live.filter((task) => task.lastStatus === 'RUNNING' && task.deploymentId === primary.id);
  const steady =
    running.length === service.desiredCount &&
    live.length === service.desiredCount &&
    deployments.length === 1 &&
    primary.rolloutState === 'COMPLETED';
  if (steady) return balanceProblems(service, view);
  const [shouldBeOver] = givenUpProblems(service, view);
  if (shouldBeOver !== undefined) return [shouldBeOver];
  if (shouldHaveFailed(service, view)) {
    return [
      { invariant: 'I19', what: `service ${serviceName} still tries what cannot run, and its circuit breaker is on` },
    ];
  }
  const counts = `${running.length} of ${service.desiredCount} tasks RUNNING, ${live.length} live, ${deployments.length} deployments`;
  const state = `service ${serviceName} is ${primary.rolloutState}: ${counts}`;
  // Faults make starts fail too, and a breaker that has tripped waits for a user; that is its purpose.
  const hasFailed = primary.rolloutState === 'FAILED';
  const isComplete = running.length === service.desiredCount && live.length === service.desiredCount;
  if (hasFailed && (isComplete || primary.waiting !== undefined)) return [];
  if (primary.waiting === undefined) return [{ invariant: 'I8', what: `${state}, and says nothing of why` }];
  if (!isRunnable(primary.taskDefinitionArn, view) || hasNoRoom(service, view) || isDeadlocked(service)) return [];
  if (live.some(({ protectedUntil = 0 }) => protectedUntil > view.controlNow)) return [];
  if (service.schedulingStrategy === 'DAEMON' && isOnlyStayingForOthers(service, live, view)) return [];
  return [{ invariant: 'I12', what: `${state}, waiting for ${primary.waiting.reason}` }];
}

/** A breaker ends what fails soon after each start; tasks that run for a while first may go on for ever. */
function shouldHaveFailed(service: Service, view: RestView): boolean {
  const { deploymentConfiguration, deployments, desiredCount, schedulingStrategy } = service;
  const primary = deployments.find(({ status }) => status === 'PRIMARY');
  if (deploymentConfiguration.deploymentCircuitBreaker?.enable !== true || primary?.rolloutState !== 'IN_PROGRESS') {
    return false;
  }
  if (schedulingStrategy === 'DAEMON' || desiredCount === 0 || hasNoRoom(service, view)) return false;
  if (isDeadlocked(service) && olderFill(service, primary.id, view)) return false;
  const images = view.definitions.get(primary.taskDefinitionArn)?.body.containerDefinitions ?? [];
  return images.some(({ image }) => failsAtOnce(image));
}

/**
 * Daemons leave a DRAINING machine last. What else is there stays for reasons of its own: a task that belongs to no service ends by itself, and a service that
 * cannot move its task says why.
 */
function isOnlyStayingForOthers(service: Service, live: readonly Task[], { rows }: RestView): boolean {
  const isDraining = (arn: string | undefined) => rows.instances.get(arn ?? '')?.status === 'DRAINING';
  const daemons = new Set(
    [...rows.services.values()]
      .filter(({ schedulingStrategy }) => schedulingStrategy === 'DAEMON')
      .map(({ serviceName }) => serviceName),
  );
  const hasOthers = (arn: string | undefined) =>
    rows.liveOn(arn ?? '').some(({ serviceName }) => serviceName === undefined || !daemons.has(serviceName));
  const staying = live.filter(({ containerInstanceArn }) => isDraining(containerInstanceArn));
  return (
    live.length - staying.length === service.desiredCount &&
    staying.every(({ containerInstanceArn }) => hasOthers(containerInstanceArn))
  );
}

/** What older deployments run takes all the places there are, so that nothing of the PRIMARY is tried. */
function olderFill(service: Service, primaryId: string, { rows }: RestView): boolean {
  const older = rows
    .liveOf(service.serviceName)
    .filter(({ deploymentId, desiredStatus }) => deploymentId !== primaryId && desiredStatus === 'RUNNING');
  return older.length >= ceilingOf(service);
}

/** The configuration allows neither a stop nor a start; ECS stands still too. */
function isDeadlocked(service: Service): boolean {
  return floorOf(service) >= service.desiredCount && ceilingOf(service) <= service.desiredCount;
}

/**
 * Services whose tasks cannot run stop one after the other. So do those of the revision before: they start where the newer ones leave fewer than the
 * floor, and stop when newer ones are healthy for a while.
 */
function stopsForEver({ clusterName, serviceName, taskDefinitionArn }: Task, view: RestView): boolean {
  if (!isRunnable(taskDefinitionArn, view)) return true;
  if (serviceName === undefined) return false;
  const service = view.rows.services.get(serviceArn(defaultRealm, clusterName, serviceName));
  return service?.deployments.some((deployment) => !isRunnable(deployment.taskDefinitionArn, view)) ?? false;
}

/**
 * The deadline is a time of control's clock, and users see it. Where that clock was set back it lies further ahead than the wait that was asked for; it is
 * kept, and until then the task waits only for what there is not.
 */
function waitProblems(task: Task, view: RestView): Problem[] {
  const { taskArn, waiting } = task;
  const name = `task ${arnId(taskArn)}`;
  const overdueMs = view.controlNow - (waiting?.until ?? 0);
  if (overdueMs > overdueLimitMs) return [{ invariant: 'I23', what: `${name} still waits for a place` }];
  if (findsNoRoom(task, view)) return [];
  return [{ invariant: 'I12', what: `${name} waits for a place, and there is one` }];
}

function taskProblems(task: Task, view: RestView): Problem[] {
  if (hasStopped(task)) return [];
  if (task.lostAt !== undefined) {
    return [{ invariant: 'I17', what: `task ${arnId(task.taskArn)} is ${task.lastStatus} and still lost` }];
  }
  const { taskArn, lastStatus, desiredStatus, taskDefinitionArn } = task;
  const name = `task ${arnId(taskArn)}`;
  if (desiredStatus === 'STOPPED') {
    const isUnderWay = view.now - (view.stoppingSince.get(taskArn) ?? 0) < stopMs;
    if (isUnderWay && stopsForEver(task, view)) return [];
    return [{ invariant: 'I12', what: `${name} is to stop and still ${lastStatus}` }];
  }
  if (lastStatus === 'PROVISIONING') return waitProblems(task, view);
  const instance = view.rows.instances.get(task.containerInstanceArn ?? '');
  const host = view.hosts.find(({ machineId }) => machineId === instance?.machineId);
  if (host === undefined) return [{ invariant: 'I13', what: `${name} is ${lastStatus} on a machine that is gone` }];
  if (!isRunnable(taskDefinitionArn, view)) return [];
  if (lastStatus !== 'RUNNING') return [{ invariant: 'I12', what: `${name} is still ${lastStatus} on ${host.name}` }];
  const running = new Set(
    host.engine
      .containers()
      .filter(({ state, labels }) => state === 'running' && labels[taskArnLabel] === taskArn)
      .map(({ labels }) => labels[containerNameLabel]),
  );
  const definition = view.definitions.get(taskDefinitionArn);
  const missing = (definition?.body.containerDefinitions ?? []).filter(
    (container) => isEssential(container) && !running.has(container.name),
  );
  return missing.map((container) => ({
    invariant: 'I13',
    what: `${name} is RUNNING on ${host.name} without its container ${container.name}`,
  }));
}

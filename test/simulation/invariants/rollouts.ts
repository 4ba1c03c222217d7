/**
 * I3 to I6, I16, I19, I25 and I28: what the scheduler may do to a service in one step. Only what it does itself is judged: a crash may bring any service below its floor,
 * and a scale-in makes tasks surplus; so starts are held against the ceiling, and replacements against the floor, at the moment they are asked for.
 */
import { arnId, serviceArn, defaultRealm } from '#model/arn.ts';
import type { Service } from '#model/service.ts';
import { taskStatusRank, type Task } from '#model/task.ts';
import { isDecided, type Change, type Rows, type StepChanges } from '../mirror.ts';
import { Violation } from '../violation.ts';
import { checkBreakerStarts, checkTrips } from './breakers.ts';
import { checkEnds, checkLateStarts } from './given-up.ts';
import { ceilingOf, floorOf } from './limits.ts';
import type { SeenRunning } from './seen-running.ts';

export function checkRollouts(changes: StepChanges, rows: Rows, seen: SeenRunning): void {
  for (const change of changes.services) {
    checkWaysBack(change);
    checkDeletion(change, rows);
    checkTrips(change, rows, seen);
    checkEnds(change);
  }
  const before = new Map(changes.services.map((change) => [change.after?.serviceArn, change.before]));
  for (const [arn, tasks] of Map.groupBy(changes.tasks, ({ after }) => serviceOf(after))) {
    const service = arn === undefined ? undefined : rows.services.get(arn);
    if (service === undefined) continue;
    if (service.deploymentController !== 'ECS') continue;
    const started = tasks.filter((change) => change.before === undefined);
    if (started.length > 0) {
      const was = before.get(arn) ?? service;
      checkStarts(service, was, started, rows);
      checkBreakerStarts(was, service, started, rows, seen);
      checkLateStarts(was, service, started);
    }
    // An agent may report a stop that a restored database has forgotten.
    const decided = tasks.filter(isDecided);
    checkReplacements(service, decided, rows);
    checkProtection(service, decided);
  }
}

/** I6: a way back that fails is not taken back. */
function checkWaysBack({ before, after }: Change<Service>): void {
  const known = new Map((before?.deployments ?? []).map((deployment) => [deployment.id, deployment]));
  for (const { id, rollbackOf } of after?.deployments ?? []) {
    if (rollbackOf === undefined || known.get(id)?.rollbackOf === rollbackOf) continue;
    const failed = known.get(rollbackOf);
    if (failed?.rollbackOf !== undefined) {
      throw new Violation(
        'I6',
        `${after?.serviceName} took ${rollbackOf} back, which was itself the way back from another`,
      );
    }
  }
}

/** I12: a deleted service keeps an eye on its tasks until the last is known to have ended, or is lost. */
function checkDeletion({ before, after }: Change<Service>, rows: Rows): void {
  if (after?.status !== 'INACTIVE' || before === undefined || before.status === 'INACTIVE') return;
  const left = tasksOf(after, rows).filter(({ lostAt }) => lostAt === undefined);
  if (left.length === 0) return;
  throw new Violation('I12', `${after.serviceName} is INACTIVE, and ${left.length} of its tasks are left`);
}

function serviceOf(task: Task | undefined): string | undefined {
  if (task?.serviceName === undefined) return undefined;
  return serviceArn(defaultRealm, task.clusterName, task.serviceName);
}

function checkStarts(service: Service, before: Service, started: readonly Change<Task>[], rows: Rows): void {
  const { serviceName, status, desiredCount, schedulingStrategy } = service;
  const count = started.length;
  if (status !== 'ACTIVE') throw new Violation('I5', `${serviceName} is ${status} and started ${count} tasks`);
  const alive = tasksOf(service, rows).filter(isAlive);
  if (schedulingStrategy === 'DAEMON') {
    for (const { after } of started) checkPlaceOfDaemon(service, after, rows);
  } else {
    if (desiredCount === 0) throw new Violation('I5', `${serviceName} is scaled to zero and started ${count} tasks`);
    const ceiling = ceilingOf(service);
    if (alive.length > ceiling) {
      throw new Violation('I3', `${serviceName} started ${count} tasks and has ${alive.length}, above ${ceiling}`);
    }
  }
  const failed = new Set(before.deployments.filter((each) => each.rolloutState === 'FAILED').map(({ id }) => id));
  for (const { after } of started) {
    if (failed.has(after?.deploymentId ?? '')) {
      throw new Violation('I6', `the failed deployment ${after?.deploymentId} of ${serviceName} started a task`);
    }
  }
}

/** Daemons are replaced by stopping first: one starts when the one before is known to have ended. */
function checkPlaceOfDaemon(service: Service, started: Task | undefined, rows: Rows): void {
  const beside = tasksOf(service, rows).filter(
    ({ containerInstanceArn, taskArn, lostAt }) =>
      containerInstanceArn === started?.containerInstanceArn && taskArn !== started?.taskArn && lostAt === undefined,
  );
  if (beside.length === 0) return;
  const names = beside.map(({ taskArn, lastStatus }) => `${arnId(taskArn)} (${lastStatus})`).join(', ');
  throw new Violation('I3', `daemon ${service.serviceName} started a task beside ${names}`);
}

function checkReplacements(service: Service, tasks: readonly Change<Task>[], rows: Rows): void {
  if (service.status !== 'ACTIVE' || service.schedulingStrategy === 'DAEMON') return;
  const primary = service.deployments.find(({ status }) => status === 'PRIMARY');
  const replaced = tasks.filter(
    ({ before, after }) =>
      before !== undefined &&
      after !== undefined &&
      (before.deploymentId !== primary?.id || isMovedAway(after)) &&
      before.lastStatus === 'RUNNING' &&
      before.desiredStatus === 'RUNNING' &&
      before.lostAt === undefined &&
      after.desiredStatus === 'STOPPED' &&
      after.lastStatus !== 'STOPPED' &&
      after.healthStatus !== 'UNHEALTHY' &&
      after.stopCode === 'ServiceSchedulerInitiated',
  );
  if (replaced.length === 0) return;
  const floor = floorOf(service);
  const standing = tasksOf(service, rows).filter((task) => isAlive(task) && task.lastStatus === 'RUNNING').length;
  if (standing >= floor) return;
  const names = replaced.map(({ after }) => arnId(after?.taskArn ?? '')).join(', ');
  throw new Violation('I4', `${service.serviceName} stopped ${names} and has ${standing} RUNNING, below ${floor}`);
}

/** Of the PRIMARY itself: from a DRAINING machine, or for the sake of the spread. */
function isMovedAway({ stoppedReason = '' }: Task): boolean {
  return stoppedReason === 'Container instance is draining' || stoppedReason.startsWith('Rebalancing initiated');
}

/** At the moment of the stop, by control's own clock. What is UNHEALTHY goes all the same, and so does all of a deleted service. */
function checkProtection({ serviceName, status }: Service, tasks: readonly Change<Task>[]): void {
  if (status !== 'ACTIVE') return;
  for (const { before, after } of tasks) {
    if (before?.desiredStatus !== 'RUNNING' || after?.desiredStatus !== 'STOPPED') continue;
    if (after.stopCode !== 'ServiceSchedulerInitiated' || after.healthStatus === 'UNHEALTHY') continue;
    const { taskArn, protectedUntil = 0, stoppingAt = Infinity } = after;
    if (protectedUntil > stoppingAt) {
      throw new Violation('I16', `${serviceName} stopped ${arnId(taskArn)}, which is protected`);
    }
  }
}

function tasksOf({ clusterName, serviceName }: Service, rows: Rows): Task[] {
  return rows.liveOf(serviceName).filter((task) => task.clusterName === clusterName);
}

function isAlive(task: Task): boolean {
  if (task.lostAt !== undefined) return false;
  return task.desiredStatus === 'RUNNING' && taskStatusRank(task.lastStatus) <= taskStatusRank('RUNNING');
}

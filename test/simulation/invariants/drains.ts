/**
 * I21 and I26: what a drain stops, and when. A task that belongs to no service is stopped by its user, by its end, or by a drain whose owner chose that; its
 * deadline, and nothing before it, ends what is left on a machine.
 */
import { arnId } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Task } from '#model/task.ts';
import { isDecided, type Rows, type StepChanges } from '../mirror.ts';
import { Violation } from '../violation.ts';
import { durationOf } from './given-up.ts';
import type { Problem, RestView } from './rest-view.ts';

/** What is due is done within this time. */
const overdueLimitMs = 60_000;

export function checkDrains({ tasks, instances }: StepChanges, rows: Rows): void {
  for (const { before, after } of tasks.filter(isDecided)) {
    if (before?.desiredStatus !== 'RUNNING' || after?.desiredStatus !== 'STOPPED') continue;
    checkStop(after, views(after, instances, rows));
  }
}

/** The machine as it was before and after the step: both may have been what control saw. */
function views(
  { containerInstanceArn = '' }: Task,
  instances: StepChanges['instances'],
  rows: Rows,
): ContainerInstance[] {
  const change = instances.find(({ before }) => before?.containerInstanceArn === containerInstanceArn);
  return [change?.before, rows.instances.get(containerInstanceArn)].filter((each) => each !== undefined);
}

function checkStop(task: Task, machines: readonly ContainerInstance[]): void {
  const { taskArn, serviceName, stopCode, stoppedReason, stoppingAt = Infinity } = task;
  if (stopCode === 'TerminationNotice') {
    if (machines.some((machine) => deadlineOf(machine) <= stoppingAt)) return;
    const chosen = serviceName === undefined && machines.some(stopsStandalone);
    if (chosen) return;
    const invariant = serviceName === undefined ? 'I21' : 'I26';
    throw new Violation(invariant, `${arnId(taskArn)} was stopped before the drain's deadline: ${stoppedReason}`);
  }
  if (serviceName === undefined && stopCode === 'ServiceSchedulerInitiated') {
    throw new Violation('I21', `${arnId(taskArn)} belongs to no service and was stopped: ${stoppedReason}`);
  }
}

/** At rest: what a drain should have ended. */
export function drainProblems(view: RestView): Problem[] {
  const { rows, controlNow } = view;
  return [...rows.instances.values()].flatMap((machine) => {
    const { containerInstanceArn, hostname } = machine;
    const wanted = rows.liveOn(containerInstanceArn).filter(({ desiredStatus }) => desiredStatus === 'RUNNING');
    const isOver = controlNow - deadlineOf(machine) > overdueLimitMs;
    const left = isOver ? wanted : stopsStandalone(machine) ? wanted.filter(isStandalone) : [];
    return left.map(({ taskArn, lastStatus }): Problem => ({
      invariant: 'I26',
      what: `task ${arnId(taskArn)} is ${lastStatus} on ${hostname}, whose drain should have ended it`,
    }));
  });
}

function isStandalone({ serviceName }: Task): boolean {
  return serviceName === undefined;
}

function stopsStandalone({ status, tags }: ContainerInstance): boolean {
  return status === 'DRAINING' && tags.some(({ key, value }) => key === 'berth:drain-standalone' && value === 'stop');
}

/** By control's clock; Infinity when there is none. */
function deadlineOf({ status, tags, drainingSince }: ContainerInstance): number {
  const text = tags.find(({ key }) => key === 'berth:drain-deadline')?.value;
  if (status !== 'DRAINING' || text === undefined || drainingSince === undefined) return Infinity;
  return drainingSince + durationOf(text);
}

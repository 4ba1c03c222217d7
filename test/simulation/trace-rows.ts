/** Changes of rows in words, for the trace. */
import { arnId } from '#model/arn.ts';
import type { Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { StepChanges } from './mirror.ts';

export interface RowChange {
  readonly what: string;
  readonly about: readonly string[];
}

export function describeChanges({ tasks, services, instances }: StepChanges): RowChange[] {
  return [
    ...tasks.flatMap(({ before, after }) => differing(taskText(before), taskText(after), before ?? after)),
    ...services.flatMap(({ before, after }) => differing(serviceText(before), serviceText(after), before ?? after)),
    ...instances.flatMap(({ before, after }) => differing(instanceText(before), instanceText(after), before ?? after)),
  ];
}

function differing(before: string, after: string, row: Task | Service | ContainerInstance | undefined): RowChange[] {
  if (before === after || row === undefined) return [];
  return [{ what: `${nameOf(row)}: ${before || 'new'} => ${after || 'forgotten'}`, about: subjectsOf(row) }];
}

function subjectsOf(row: Task | Service | ContainerInstance): string[] {
  if ('taskArn' in row) {
    const service = row.serviceName === undefined ? [] : [`service/${row.serviceName}`];
    return [taskSubject(row.taskArn), ...service];
  }
  if ('serviceName' in row) return [`service/${row.serviceName}`];
  return [`instance/${arnId(row.containerInstanceArn).slice(0, 8)}`, row.hostname];
}

export function taskSubject(taskArn: string): string {
  return `task/${arnId(taskArn).slice(0, 8)}`;
}

function nameOf(row: Task | Service | ContainerInstance): string {
  if ('taskArn' in row) return `task ${arnId(row.taskArn).slice(0, 8)} (${row.group})`;
  if ('serviceName' in row) return `service ${row.serviceName}`;
  return `instance ${arnId(row.containerInstanceArn).slice(0, 8)} (${row.hostname})`;
}

function taskText(task: Task | undefined): string {
  if (task === undefined) return '';
  const { lastStatus, desiredStatus, healthStatus, stopCode, stoppedReason, containerInstanceArn = '' } = task;
  const where = arnId(containerInstanceArn).slice(0, 8);
  const wish = desiredStatus === 'STOPPED' && lastStatus !== 'STOPPED' ? ', to stop' : '';
  const health = healthStatus === 'UNKNOWN' ? '' : ` ${healthStatus}`;
  const end = stopCode === undefined ? '' : ` ${stopCode} "${stoppedReason ?? ''}"`;
  const lost = task.lostAt === undefined || lastStatus === 'STOPPED' ? '' : ', lost';
  return `${lastStatus}${wish}${lost}${health} on ${where}${end}`;
}

function serviceText(service: Service | undefined): string {
  if (service === undefined) return '';
  const deployments = service.deployments.map(
    ({ id, status, rolloutState, failedTasks, taskDefinitionArn, waiting }) =>
      `${status} ${id.slice(-4)} ${rolloutState} ${arnId(taskDefinitionArn)}${failedTasks > 0 ? ` failed ${failedTasks}` : ''}${waiting === undefined ? '' : ` waits for ${waiting.reason}`}`,
  );
  const { minimumHealthyPercent, maximumPercent } = service.deploymentConfiguration;
  return `${service.status} ${service.desiredCount} (${minimumHealthyPercent}-${maximumPercent} %) [${deployments.join('; ')}]`;
}

function instanceText(instance: ContainerInstance | undefined): string {
  if (instance === undefined) return '';
  return `${instance.status} ${instance.agentConnected ? 'connected' : 'disconnected'} ${instance.health.status}`;
}

/** A window of use as messages to control: at most ten tasks and a mebibyte each, as in ECS. Pure. */
import {
  maximumTelemetryBytes,
  maximumTelemetryTasks,
  type TaskTelemetry,
  type Telemetry,
} from '#protocol/session/telemetry.ts';
import type { UsageWindow } from './sampler.ts';

/** For everything in a message but its tasks. */
const envelopeBytes = 8192;

export function telemetryMessages(window: UsageWindow, limitBytes = maximumTelemetryBytes): Telemetry[] {
  const tasks = taskTelemetry(window);
  const { from, to, instance } = window;
  const head = { type: 'telemetry' as const, from, to, instance, idle: tasks.length === 0 };
  const groups = inGroups(tasks, limitBytes - envelopeBytes);
  return groups.map((group, index) => ({ ...head, tasks: group, fin: index === groups.length - 1 }));
}

function taskTelemetry({ containers }: UsageWindow): TaskTelemetry[] {
  const byTask = new Map<string, TaskTelemetry>();
  for (const { task, container, metrics } of containers) {
    const { taskArn } = task.assignment;
    const known = byTask.get(taskArn) ?? { taskArn, containers: [] };
    known.containers.push({ name: container.name, restartCount: container.restarts.count, metrics });
    byTask.set(taskArn, known);
  }
  return [...byTask.values()];
}

/** At least one group, perhaps an empty one. A task that is too long by itself is left out. */
function inGroups(tasks: readonly TaskTelemetry[], limitBytes: number): TaskTelemetry[][] {
  const groups: TaskTelemetry[][] = [];
  let group: TaskTelemetry[] = [];
  let bytes = 0;
  for (const task of tasks) {
    const length = Buffer.byteLength(JSON.stringify(task)) + 1;
    if (length > limitBytes) continue;
    if (group.length === maximumTelemetryTasks || bytes + length > limitBytes) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
    group.push(task);
    bytes += length;
  }
  return [...groups, group];
}

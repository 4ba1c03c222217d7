/**
 * Waiting for room: a task that found no place and was asked for with the tag `berth:wait-for-capacity`, or on a capacity provider whose
 * managed scaling is ENABLED, is PROVISIONING until it is placed or its deadline has passed. What it waits for stands on its containers.
 */
import { parseDuration } from './policy-tags.ts';
import type { Tag } from './tag.ts';
import type { Task, TaskContainer } from './task.ts';
import { utcTime } from './utc-time.ts';

/** With a duration such as `10m`. */
export const waitForCapacityTag = 'berth:wait-for-capacity';

/** Of a task that waits because of its capacity provider and has no such tag. */
export const defaultWaitMs = 15 * 60_000;

/** Per cluster; what would be more is refused. */
export const maximumWaitingTasks = 500;

const longestWaitMs = 7 * 86_400_000;

/** `90s`, `1h30m` or `7d` in milliseconds; undefined for what is no duration, for nothing and for more than seven days. */
export function parseWait(text: string): number | undefined {
  const ms = parseDuration(text);
  return ms !== undefined && ms <= longestWaitMs ? ms : undefined;
}

/** What the tags say of waiting: how long in milliseconds, `invalid` when the tag's value is no duration, undefined without the tag. */
export function taggedWait(tags: readonly Tag[]): number | 'invalid' | undefined {
  const tag = tags.find(({ key }) => key === waitForCapacityTag);
  return tag === undefined ? undefined : (parseWait(tag.value ?? '') ?? 'invalid');
}

/** The task with why it has no place yet; the same object when that is what it says already. `explanation` begins with "because". */
export function stillWaiting(task: Task, explanation: string): Task {
  const until = task.waiting === undefined ? '' : ` until ${utcTime(task.waiting.until)}`;
  const reason = `Waiting for a container instance${until}, ${explanation}`.slice(0, 1024);
  if (task.containers.every((container) => container.reason === reason)) return task;
  return {
    ...task,
    containers: task.containers.map((container) => ({ ...container, reason })),
    version: task.version + 1,
  };
}

/** The task without a trace of its waiting: it has been placed, or has ended. */
export function noLongerWaiting(task: Task): Task {
  if (task.waiting === undefined) return task;
  const { waiting: _, ...rest } = task;
  return { ...rest, containers: task.containers.map(withoutReason) };
}

function withoutReason(container: TaskContainer): TaskContainer {
  const { reason: _, ...rest } = container;
  return rest;
}

/** Why a task stops whose deadline has passed. */
export function timedOutReason(
  { createdAt, waiting }: Pick<Task, 'createdAt' | 'waiting'>,
  explanation: string,
): string {
  const seconds = Math.round(((waiting?.until ?? createdAt) - createdAt) / 1000);
  return `Timed out after waiting ${seconds} s for a container instance, ${explanation}`;
}

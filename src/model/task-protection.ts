/** Protection of a task from scale-in and deployments: for a time that its user chooses, and that runs out by itself. */
import type { Task } from './task.ts';

/** Minutes. */
const defaultProtectionMinutes = 120;
export const longestProtectionMinutes = 2880;

export interface ProtectionChange {
  protectionEnabled: boolean;
  /** Counted anew by each change. */
  expiresInMinutes?: number;
}

export function isProtected({ protectedUntil }: Pick<Task, 'protectedUntil'>, now: number): boolean {
  return protectedUntil !== undefined && protectedUntil > now;
}

/** The task as the change leaves it; the same object when nothing changes. */
export function withProtection(task: Task, change: ProtectionChange, now: number): Task {
  const { protectedUntil, ...bare } = task;
  if (!change.protectionEnabled) {
    return protectedUntil === undefined ? task : { ...bare, version: task.version + 1 };
  }
  const minutes = change.expiresInMinutes ?? defaultProtectionMinutes;
  return { ...bare, protectedUntil: now + minutes * 60_000, version: task.version + 1 };
}

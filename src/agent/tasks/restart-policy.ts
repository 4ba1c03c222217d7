/**
 * Whether a container that ended by itself is started again instead of counting as stopped: ECS's restart policy, by which only one that lived for
 * `restartAttemptPeriod` is worth another start, without a limit.
 *
 * Beyond ECS, the docker label `berth.restart-attempts` lets a container that ended earlier be started again too: after 1 s, 2 s, 4 s … up to the
 * period, so many times in a row. A run of at least the period begins the count anew.
 */
import type { ContainerDefinition } from '#model/container-definition.ts';
import { earlyRestartAttempts } from '#model/restart-attempts.ts';

/** Seconds a container must have lived before it is worth another start; ECS's default. */
const defaultAttemptPeriod = 300;
const firstDelayMs = 1000;

export interface Ended {
  /** Unknown codes are never restarted. */
  exitCode: number | undefined;
  startedAt: number;
  lastRestartAt: number | undefined;
  /** Restarts in a row so far after too short a run. */
  earlyAttempts: number;
}

export interface Restart {
  /** Epoch milliseconds. */
  at: number;
  earlyAttempts: number;
}

/** When to start it again; undefined when it has ended for good. */
export function restartOf(container: ContainerDefinition | undefined, ended: Ended, now: number): Restart | undefined {
  const policy = container?.restartPolicy;
  if (container === undefined || policy?.enabled !== true || ended.exitCode === undefined) return undefined;
  if (policy.ignoredExitCodes?.includes(ended.exitCode) === true) return undefined;
  const periodMs = (policy.restartAttemptPeriod ?? defaultAttemptPeriod) * 1000;
  if (now - (ended.lastRestartAt ?? ended.startedAt) >= periodMs) return { at: now, earlyAttempts: 0 };
  if (ended.earlyAttempts >= earlyRestartAttempts(container)) return undefined;
  const delayMs = Math.min(periodMs, firstDelayMs * 2 ** ended.earlyAttempts);
  return { at: now + delayMs, earlyAttempts: ended.earlyAttempts + 1 };
}

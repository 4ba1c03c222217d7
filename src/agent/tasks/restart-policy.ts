/** ECS's container restart policy: whether a container that ended by itself is started again instead of counting as stopped. */
import type { ContainerRestartPolicy } from '#model/container-definition.ts';

/** Seconds a container must have lived before it is worth another start; ECS's default. */
const defaultAttemptPeriod = 300;

export interface Ended {
  /** Unknown codes are never restarted. */
  exitCode: number | undefined;
  startedAt: number;
  lastRestartAt: number | undefined;
}

export function shouldRestart(policy: ContainerRestartPolicy | undefined, ended: Ended, now: number): boolean {
  if (policy?.enabled !== true || ended.exitCode === undefined) return false;
  if (policy.ignoredExitCodes?.includes(ended.exitCode) === true) return false;
  const periodMs = (policy.restartAttemptPeriod ?? defaultAttemptPeriod) * 1000;
  return now - (ended.lastRestartAt ?? ended.startedAt) >= periodMs;
}

/** The docker label by which a container with a restart policy asks to be started again even when it ended before its `restartAttemptPeriod`. */
import type { ContainerDefinition } from './container-definition.ts';

export const restartAttemptsLabel = 'berth.restart-attempts';

const mostAttempts = 100;

/** How many times in a row; none without the label. */
export function earlyRestartAttempts({ dockerLabels }: ContainerDefinition): number {
  return Number(dockerLabels?.[restartAttemptsLabel] ?? 0);
}

/** What is wrong with the label, if it is there. */
export function restartAttemptsProblem({ dockerLabels, restartPolicy }: ContainerDefinition): string | undefined {
  const text = dockerLabels?.[restartAttemptsLabel];
  if (text === undefined) return undefined;
  if (!/^\d{1,3}$/.test(text) || Number(text) < 1 || Number(text) > mostAttempts) {
    return `The docker label '${restartAttemptsLabel}' must be a whole number from 1 to ${mostAttempts}, got '${text}'.`;
  }
  if (restartPolicy?.enabled !== true)
    return `The docker label '${restartAttemptsLabel}' needs a 'restartPolicy' that is enabled.`;
  return undefined;
}

/** The two bounds of a rolling update. */
import type { Service } from '#model/service.ts';

export interface RolloutLimits {
  /** No stop may bring the healthy tasks below this. */
  floor: number;
  /** No start may bring RUNNING + PENDING above this. */
  ceiling: number;
}

/** The floor is rounded up, the ceiling down; neither keeps a service from its desired count when nothing is rolling. */
export function rolloutLimits({ desiredCount, deploymentConfiguration }: Service): RolloutLimits {
  const { minimumHealthyPercent, maximumPercent } = deploymentConfiguration;
  return {
    floor: Math.min(desiredCount, Math.ceil((desiredCount * minimumHealthyPercent) / 100)),
    ceiling: Math.max(desiredCount, Math.floor((desiredCount * maximumPercent) / 100)),
  };
}

/** The bounds of a rollout, worked out here once more: what is checked must not be what does the checking. */
import type { Service } from '#model/service.ts';

export function ceilingOf({ desiredCount, deploymentConfiguration }: Service): number {
  const percent = Math.max(100, deploymentConfiguration.maximumPercent);
  return (desiredCount * percent - ((desiredCount * percent) % 100)) / 100;
}

export function floorOf({ desiredCount, deploymentConfiguration }: Service): number {
  const hundredths = desiredCount * Math.min(100, deploymentConfiguration.minimumHealthyPercent);
  const rest = hundredths % 100;
  return rest === 0 ? hundredths / 100 : (hundredths - rest) / 100 + 1;
}

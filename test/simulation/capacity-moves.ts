/** Users who name groups of machines, share tasks out to them, and let tasks wait for room. */
import { int, pick, type Random } from '#lib/random.ts';
import type { WorkloadOptions } from './workload-options.ts';

/** Each machine is in one; the provider of a group has its name. */
export const instanceGroups = ['left', 'right'] as const;

export async function nameGroups({ random, call }: WorkloadOptions): Promise<void> {
  for (const name of instanceGroups) {
    const managedScaling = { status: pick(random, ['ENABLED', 'DISABLED']) };
    await call('CreateCapacityProvider', {
      name,
      autoScalingGroupProvider: { autoScalingGroupArn: name, managedScaling },
    });
  }
  await call('PutClusterCapacityProviders', {
    cluster: 'default',
    capacityProviders: instanceGroups,
    defaultCapacityProviderStrategy: [],
  });
}

/** Refused before the groups have names. */
export function someStrategy(random: Random): object {
  if (int(random, 1, 5) > 1) return {};
  const [first, second] = [int(random, 0, 3), int(random, 1, 3)];
  return {
    capacityProviderStrategy: [
      { capacityProvider: 'left', weight: first, base: int(random, 0, 1) },
      { capacityProvider: 'right', weight: second },
    ],
  };
}

export function someWait(random: Random): object {
  if (int(random, 1, 3) > 1) return {};
  return { tags: [{ key: 'berth:wait-for-capacity', value: pick(random, ['30s', '5m', '20m']) }] };
}

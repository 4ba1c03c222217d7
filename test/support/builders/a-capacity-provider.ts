/** A capacity provider over the group of its own name, whose managed scaling is off unless it is asked for. */
import { capacityProviderArn, defaultRealm } from '#model/arn.ts';
import { defaultManagedScaling, type CapacityProvider, type OnOff } from '#model/capacity-provider.ts';
import { builtAt } from './unique.ts';

export function aCapacityProvider({
  managedScaling = 'DISABLED',
  group,
  ...overrides
}: Partial<CapacityProvider> & { managedScaling?: OnOff; group?: string } = {}): CapacityProvider {
  const name = overrides.name ?? 'blue';
  return {
    capacityProviderArn: capacityProviderArn(defaultRealm, name),
    name,
    autoScalingGroupProvider: {
      autoScalingGroupArn: group ?? name,
      managedScaling: { ...defaultManagedScaling, status: managedScaling },
      managedTerminationProtection: 'DISABLED',
      managedDraining: 'DISABLED',
    },
    updateStatus: 'CREATE_COMPLETE',
    tags: [],
    createdAt: builtAt,
    ...overrides,
  };
}

/** Capacity providers as answers show them. */
import type { CapacityProvider as SdkCapacityProvider } from '@aws-sdk/client-ecs';
import { capacityProviderArn, type Realm } from '#model/arn.ts';
import type { CapacityProvider, FargateProviderName } from '#model/capacity-provider.ts';
import type { Wire } from './wire.ts';

export interface CapacityProviderView {
  /** As the caller asked; without TAGS there are none. */
  readonly include?: readonly 'TAGS'[];
}

export function renderCapacityProvider(
  provider: CapacityProvider,
  { include = [] }: CapacityProviderView = {},
): Wire<SdkCapacityProvider> {
  return {
    capacityProviderArn: provider.capacityProviderArn,
    name: provider.name,
    status: 'ACTIVE',
    autoScalingGroupProvider: provider.autoScalingGroupProvider,
    updateStatus: provider.updateStatus,
    tags: include.includes('TAGS') ? provider.tags : [],
    type: 'EC2_AUTOSCALING',
  };
}

/** As the answer to its own deletion shows it. */
export function renderDeletedProvider(provider: CapacityProvider): Wire<SdkCapacityProvider> {
  return { ...renderCapacityProvider(provider), status: 'INACTIVE', updateStatus: 'DELETE_COMPLETE' };
}

export function renderFargateProvider(name: FargateProviderName, realm: Realm): Wire<SdkCapacityProvider> {
  return { capacityProviderArn: capacityProviderArn(realm, name), name, status: 'ACTIVE', tags: [], type: name };
}

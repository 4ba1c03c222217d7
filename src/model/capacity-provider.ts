/**
 * A capacity provider: a name for a group of container instances that tasks may be placed on. Groups are static: an instance says by its
 * attribute `berth.instance-group` which one it is in; see docs/capacity.md. FARGATE and FARGATE_SPOT are always there and mean every
 * instance that can run FARGATE tasks.
 */
import { attributeValue } from './attributes.ts';
import { capacityProviderArn, parseArn, type Realm } from './arn.ts';
import { instanceAttributes, type ContainerInstance } from './container-instance.ts';
import type { Tag } from './tag.ts';

/** Where an instance says which group it is in. */
export const instanceGroupAttribute = 'berth.instance-group';

export const maximumProvidersPerCluster = 20;

/** One part of a strategy: `base` tasks at least, and a share of the rest by `weight`. */
export interface CapacityProviderStrategyItem {
  /** A bare name. */
  capacityProvider: string;
  /** 0 to 1000. */
  weight?: number;
  /** 0 to 100,000; at most one item of a strategy has one. */
  base?: number;
}

/** A strategy whose every item says both numbers. */
export type CapacityStrategy = readonly Required<CapacityProviderStrategyItem>[];

export type OnOff = 'ENABLED' | 'DISABLED';

/** Only `status` acts here: ENABLED lets RunTask wait for room. The rest is kept and shown. */
export interface ManagedScaling {
  status: OnOff;
  targetCapacity: number;
  minimumScalingStepSize: number;
  maximumScalingStepSize: number;
  instanceWarmupPeriod: number;
}

/** ECS's own. */
export const defaultManagedScaling: ManagedScaling = {
  status: 'DISABLED',
  targetCapacity: 100,
  minimumScalingStepSize: 1,
  maximumScalingStepSize: 10_000,
  instanceWarmupPeriod: 300,
};

export interface AutoScalingGroupProvider {
  /** As it was sent: an ARN, or the bare name of a group. */
  autoScalingGroupArn: string;
  managedScaling: ManagedScaling;
  managedTerminationProtection: OnOff;
  managedDraining: OnOff;
}

/** One that a user made. */
export interface CapacityProvider {
  capacityProviderArn: string;
  name: string;
  autoScalingGroupProvider: AutoScalingGroupProvider;
  updateStatus: 'CREATE_COMPLETE' | 'UPDATE_COMPLETE';
  tags: readonly Tag[];
  /** Epoch milliseconds. */
  createdAt: number;
}

export const fargateProviderNames = ['FARGATE', 'FARGATE_SPOT'] as const;
export type FargateProviderName = (typeof fargateProviderNames)[number];

export function isFargateProvider(name: string): name is FargateProviderName {
  return fargateProviderNames.some((known) => known === name);
}

/** What a task of one of these is launched as. */
export function launchTypeOfProvider(name: string): 'EC2' | 'FARGATE' {
  return isFargateProvider(name) ? 'FARGATE' : 'EC2';
}

/** ECS keeps some beginnings for itself. */
export function isProviderName(name: string): boolean {
  return /^[A-Za-z0-9_-]{1,255}$/.test(name) && !/^(aws|ecs|fargate)/i.test(name);
}

/** The name that a bare name or an ARN means; undefined for an ARN of something else, or of another account or region. */
export function providerNameOf(realm: Realm, reference: string): string | undefined {
  if (!reference.startsWith('arn:')) return reference;
  const name = parseArn(reference)?.resource.replace(/^capacity-provider\//, '') ?? '';
  return reference === capacityProviderArn(realm, name) ? name : undefined;
}

/** The group that the ARN of an Auto Scaling group names; the text itself when it is no such ARN. */
export function instanceGroupOf({
  autoScalingGroupArn,
}: Pick<AutoScalingGroupProvider, 'autoScalingGroupArn'>): string {
  const marker = 'autoScalingGroupName/';
  const at = autoScalingGroupArn.indexOf(marker);
  return at === -1 ? autoScalingGroupArn : autoScalingGroupArn.slice(at + marker.length);
}

type Grouped = Pick<ContainerInstance, 'agentAttributes' | 'customAttributes'>;

export function isInGroup(instance: Grouped, group: string): boolean {
  return attributeValue(instanceAttributes(instance), instanceGroupAttribute) === group;
}

/** The one of the given providers whose group the instance is in. */
export function providerOfInstance(
  instance: Grouped,
  providers: readonly CapacityProvider[],
): CapacityProvider | undefined {
  const group = attributeValue(instanceAttributes(instance), instanceGroupAttribute);
  return group === undefined
    ? undefined
    : providers.find((provider) => instanceGroupOf(provider.autoScalingGroupProvider) === group);
}

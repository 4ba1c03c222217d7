/** Capacity providers in the API's world, and two machines in a group of their own each. */
import { apiWorld, type ApiWorld, type Json } from './api-world.ts';

export const groupArn = (group: string): string =>
  `arn:aws:autoscaling:us-east-1:000000000000:autoScalingGroup:11111111-2222-3333-4444-555555555555:autoScalingGroupName/${group}`;
export const arnOf = (name: string): string => `arn:aws:ecs:us-east-1:000000000000:capacity-provider/${name}`;

export function provide(world: ApiWorld, name: string, group = name, more: object = {}): Promise<Json> {
  return world.call('CreateCapacityProvider', {
    name,
    autoScalingGroupProvider: { autoScalingGroupArn: groupArn(group), ...more },
  });
}

export function associate(world: ApiWorld, capacityProviders: string[], strategy: object[] = []): Promise<Json> {
  return world.call('PutClusterCapacityProviders', {
    cluster: 'default',
    capacityProviders,
    defaultCapacityProviderStrategy: strategy,
  });
}

const inGroup = (group: string) => ({ agentAttributes: [{ name: 'berth.instance-group', value: group }] });

/** Machines `a` and `b`, one in the group of each name, providers `blue` over group-a and `green` over group-b. */
export async function worldOfTwoGroups() {
  const world = await apiWorld();
  await world.definition();
  const a = await world.instance(inGroup('group-a'));
  const b = await world.instance(inGroup('group-b'));
  await provide(world, 'blue', 'group-a');
  await provide(world, 'green', 'group-b');
  await associate(world, ['blue', 'green']);
  return { world, a, b };
}

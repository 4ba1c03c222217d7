/** Requests about capacity providers. */
import { z } from 'zod';
import { createManagedInstancesProvider, updateManagedInstancesProvider } from './managed-instances.ts';
import { clusterReference, enabledOrDisabled, integer, nonEmptyText, reference, tags } from './shared.ts';

const stepSize = integer(1, 10_000);

const groupSettings = {
  managedScaling: z
    .strictObject({
      status: enabledOrDisabled.exactOptional(),
      targetCapacity: integer(1, 100).exactOptional(),
      minimumScalingStepSize: stepSize.exactOptional(),
      maximumScalingStepSize: stepSize.exactOptional(),
      /** Seconds. */
      instanceWarmupPeriod: integer(0, 10_000).exactOptional(),
    })
    .exactOptional(),
  managedTerminationProtection: enabledOrDisabled.exactOptional(),
  managedDraining: enabledOrDisabled.exactOptional(),
};

export const createCapacityProvider = z.strictObject({
  name: nonEmptyText,
  cluster: clusterReference,
  autoScalingGroupProvider: z.strictObject({ autoScalingGroupArn: reference, ...groupSettings }).exactOptional(),
  managedInstancesProvider: createManagedInstancesProvider.exactOptional(),
  tags: tags.exactOptional(),
});

export const updateCapacityProvider = z.strictObject({
  name: reference,
  cluster: clusterReference,
  autoScalingGroupProvider: z.strictObject(groupSettings).exactOptional(),
  managedInstancesProvider: updateManagedInstancesProvider.exactOptional(),
});

export const deleteCapacityProvider = z.strictObject({ capacityProvider: reference, cluster: clusterReference });

export const describeCapacityProviders = z.strictObject({
  capacityProviders: z.array(reference).exactOptional(),
  cluster: clusterReference,
  include: z.array(z.enum(['TAGS'])).exactOptional(),
  maxResults: integer(1, 10).exactOptional(),
  nextToken: z.string().exactOptional(),
});

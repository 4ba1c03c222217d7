/** Requests about container instances. */
import { z } from 'zod';
import { clusterReference, listFrom1To, page, reference } from './shared.ts';

export const listContainerInstances = z.strictObject({
  cluster: clusterReference,
  /** Cluster query language. */
  filter: z.string().exactOptional(),
  status: z.enum(['ACTIVE', 'DRAINING', 'REGISTERING', 'DEREGISTERING', 'REGISTRATION_FAILED']).exactOptional(),
  ...page,
});

export const describeContainerInstances = z.strictObject({
  cluster: clusterReference,
  containerInstances: listFrom1To(reference, 100),
  include: z.array(z.enum(['TAGS', 'CONTAINER_INSTANCE_HEALTH'])).exactOptional(),
});

export const updateContainerInstancesState = z.strictObject({
  cluster: clusterReference,
  containerInstances: listFrom1To(reference, 10),
  /** Every status is a valid value of the type; the operation itself takes ACTIVE and DRAINING only. */
  status: z
    .enum(['ACTIVE', 'DRAINING', 'REGISTERING', 'DEREGISTERING', 'REGISTRATION_FAILED'])
    .refine((status) => status === 'ACTIVE' || status === 'DRAINING', { error: 'expected ACTIVE or DRAINING' }),
});

export const updateContainerAgent = z.strictObject({ cluster: clusterReference, containerInstance: reference });

export const deregisterContainerInstance = z.strictObject({
  cluster: clusterReference,
  containerInstance: reference,
  force: z.boolean().exactOptional(),
});

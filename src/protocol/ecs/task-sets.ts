/** Requests about task sets: the deployments of a service whose controller is EXTERNAL. */
import { z } from 'zod';
import { loadBalancers, serviceRegistries } from './service-parts.ts';
import {
  capacityProviderStrategy,
  clientToken,
  launchType,
  networkConfiguration,
  reference,
  tags,
  textUpTo,
} from './shared.ts';

const percentPhrase = 'expected a percentage from 0 to 100';

/** A share of the service's desiredCount. */
const scale = z.strictObject({
  value: z.number().min(0, { error: percentPhrase }).max(100, { error: percentPhrase }).exactOptional(),
  unit: z.enum(['PERCENT']).exactOptional(),
});

/** Unlike elsewhere ECS asks for the cluster too; empty means `default`. */
const place = { cluster: textUpTo(2048), service: reference };

export const createTaskSet = z.strictObject({
  ...place,
  taskDefinition: reference,
  externalId: z.string().exactOptional(),
  networkConfiguration: networkConfiguration.exactOptional(),
  loadBalancers: loadBalancers.exactOptional(),
  serviceRegistries: serviceRegistries.exactOptional(),
  launchType: launchType.exactOptional(),
  capacityProviderStrategy: capacityProviderStrategy.exactOptional(),
  platformVersion: z.string().exactOptional(),
  scale: scale.exactOptional(),
  clientToken: clientToken(36).exactOptional(),
  tags: tags.exactOptional(),
});

export const updateTaskSet = z.strictObject({ ...place, taskSet: reference, scale });

export const deleteTaskSet = z.strictObject({ ...place, taskSet: reference, force: z.boolean().exactOptional() });

export const describeTaskSets = z.strictObject({
  ...place,
  taskSets: z.array(reference).exactOptional(),
  include: z.array(z.enum(['TAGS'])).exactOptional(),
});

export const updateServicePrimaryTaskSet = z.strictObject({ ...place, primaryTaskSet: reference });

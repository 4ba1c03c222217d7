/** Requests about services. What a service is made of is in service-parts.ts; UpdateService may change most of it. */
import { z } from 'zod';
import {
  deploymentConfiguration,
  deploymentController,
  gatewayConnectors,
  loadBalancers,
  monitoring,
  serviceConnectConfiguration,
  serviceRegistries,
  serviceVolumeConfigurations,
  vpcLatticeConfigurations,
} from './service-parts.ts';
import {
  capacityProviderStrategy,
  clientToken,
  clusterReference,
  count,
  enabledOrDisabled,
  launchType,
  listFrom1To,
  networkConfiguration,
  page,
  placementConstraints,
  placementStrategy,
  propagateTags,
  reference,
  resourceName,
  tags,
} from './shared.ts';

const schedulingStrategy = z.enum(['REPLICA', 'DAEMON']);

const settings = {
  cluster: clusterReference,
  taskDefinition: reference.exactOptional(),
  desiredCount: count.exactOptional(),
  capacityProviderStrategy: capacityProviderStrategy.exactOptional(),
  deploymentConfiguration: deploymentConfiguration.exactOptional(),
  deploymentController: deploymentController.exactOptional(),
  availabilityZoneRebalancing: enabledOrDisabled.exactOptional(),
  networkConfiguration: networkConfiguration.exactOptional(),
  placementConstraints: placementConstraints.exactOptional(),
  placementStrategy: placementStrategy.exactOptional(),
  platformVersion: z.string().exactOptional(),
  healthCheckGracePeriodSeconds: count.exactOptional(),
  enableExecuteCommand: z.boolean().exactOptional(),
  enableECSManagedTags: z.boolean().exactOptional(),
  loadBalancers: loadBalancers.exactOptional(),
  propagateTags: propagateTags.exactOptional(),
  serviceRegistries: serviceRegistries.exactOptional(),
  serviceConnectConfiguration: serviceConnectConfiguration.exactOptional(),
  volumeConfigurations: serviceVolumeConfigurations.exactOptional(),
  vpcLatticeConfigurations: vpcLatticeConfigurations.exactOptional(),
  gatewayConnectors: gatewayConnectors.exactOptional(),
  monitoring: monitoring.exactOptional(),
};

export const createService = z.strictObject({
  ...settings,
  serviceName: resourceName,
  clientToken: clientToken(36).exactOptional(),
  launchType: launchType.exactOptional(),
  role: z.string().exactOptional(),
  schedulingStrategy: schedulingStrategy.exactOptional(),
  tags: tags.exactOptional(),
});

export const updateService = z.strictObject({
  ...settings,
  service: reference,
  forceNewDeployment: z.boolean().exactOptional(),
});

export const describeServices = z.strictObject({
  cluster: clusterReference,
  services: listFrom1To(reference, 10),
  include: z.array(z.enum(['TAGS'])).exactOptional(),
});

export const listServices = z.strictObject({
  cluster: clusterReference,
  launchType: launchType.exactOptional(),
  schedulingStrategy: schedulingStrategy.exactOptional(),
  resourceManagementType: z.enum(['CUSTOMER', 'ECS']).exactOptional(),
  ...page,
});

export const deleteService = z.strictObject({
  cluster: clusterReference,
  service: reference,
  force: z.boolean().exactOptional(),
});

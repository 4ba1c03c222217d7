/** Requests about clusters. */
import { z } from 'zod';
import { maximumProvidersPerCluster } from '#model/capacity-provider.ts';
import { capacityProviderStrategy, listUpTo, nonEmptyText, page, reference, resourceName, tags } from './shared.ts';

const clusterSettings = z.array(
  z.strictObject({ name: z.enum(['containerInsights']).exactOptional(), value: z.string().exactOptional() }),
);

const clusterConfiguration = z.strictObject({
  executeCommandConfiguration: z
    .strictObject({
      kmsKeyId: z.string().exactOptional(),
      logging: z.enum(['NONE', 'DEFAULT', 'OVERRIDE']).exactOptional(),
      logConfiguration: z
        .strictObject({
          cloudWatchLogGroupName: z.string().exactOptional(),
          cloudWatchEncryptionEnabled: z.boolean().exactOptional(),
          s3BucketName: z.string().exactOptional(),
          s3EncryptionEnabled: z.boolean().exactOptional(),
          s3KeyPrefix: z.string().exactOptional(),
        })
        .exactOptional(),
    })
    .exactOptional(),
  managedStorageConfiguration: z
    .strictObject({
      kmsKeyId: z.string().exactOptional(),
      fargateEphemeralStorageKmsKeyId: z.string().exactOptional(),
    })
    .exactOptional(),
});

const serviceConnectDefaults = z.strictObject({ namespace: nonEmptyText });

export const createCluster = z.strictObject({
  /** Absent means `default`. */
  clusterName: resourceName.exactOptional(),
  tags: tags.exactOptional(),
  settings: clusterSettings.exactOptional(),
  configuration: clusterConfiguration.exactOptional(),
  capacityProviders: listUpTo(nonEmptyText, maximumProvidersPerCluster).exactOptional(),
  defaultCapacityProviderStrategy: capacityProviderStrategy.exactOptional(),
  serviceConnectDefaults: serviceConnectDefaults.exactOptional(),
});

export const putClusterCapacityProviders = z.strictObject({
  cluster: reference,
  capacityProviders: listUpTo(nonEmptyText, maximumProvidersPerCluster),
  defaultCapacityProviderStrategy: capacityProviderStrategy,
});

export const describeClusters = z.strictObject({
  clusters: listUpTo(z.string(), 100).exactOptional(),
  include: z.array(z.enum(['ATTACHMENTS', 'CONFIGURATIONS', 'SETTINGS', 'STATISTICS', 'TAGS'])).exactOptional(),
});

export const listClusters = z.strictObject(page);

export const updateCluster = z.strictObject({
  cluster: reference,
  settings: clusterSettings.exactOptional(),
  configuration: clusterConfiguration.exactOptional(),
  serviceConnectDefaults: serviceConnectDefaults.exactOptional(),
});

export const updateClusterSettings = z.strictObject({ cluster: reference, settings: clusterSettings });

export const deleteCluster = z.strictObject({ cluster: reference });

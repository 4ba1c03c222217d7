/** Requests about tasks. */
import { z } from 'zod';
import { longestProtectionMinutes } from '#model/task-protection.ts';
import { environmentFiles, resourceRequirements } from './container-definitions.ts';
import {
  capacityProviderStrategy,
  clientToken,
  clusterReference,
  count,
  ebsVolume,
  integer,
  keyValuePair,
  launchType,
  listFrom1To,
  listUpTo,
  networkConfiguration,
  nonEmptyText,
  page,
  placementConstraints,
  placementStrategy,
  propagateTags,
  reference,
  startedBy,
  strings,
  tags,
  textUpTo,
} from './shared.ts';
import { ephemeralStorage } from './task-definitions.ts';

/** Over the whole of `overrides`, as JSON. */
const maximumOverridesCharacters = 8192;

/** MiB; the least an engine grants a container, and the most ECS can write down. */
const overriddenMemory = integer(6, 2_147_483_647);

const overrides = z
  .strictObject({
    containerOverrides: z
      .array(
        z.strictObject({
          name: z.string().exactOptional(),
          command: strings.exactOptional(),
          environment: z.array(keyValuePair).exactOptional(),
          environmentFiles: environmentFiles.exactOptional(),
          cpu: count.exactOptional(),
          memory: overriddenMemory.exactOptional(),
          memoryReservation: overriddenMemory.exactOptional(),
          resourceRequirements: resourceRequirements.exactOptional(),
        }),
      )
      .exactOptional(),
    cpu: z.string().exactOptional(),
    inferenceAcceleratorOverrides: z
      .array(z.strictObject({ deviceName: z.string().exactOptional(), deviceType: z.string().exactOptional() }))
      .exactOptional(),
    executionRoleArn: z.string().exactOptional(),
    memory: z.string().exactOptional(),
    taskRoleArn: z.string().exactOptional(),
    ephemeralStorage: ephemeralStorage.exactOptional(),
  })
  .refine((value) => JSON.stringify(value).length <= maximumOverridesCharacters, {
    error: `expected at most ${maximumOverridesCharacters} characters of JSON`,
  });

/** RunTask and StartTask differ only in who picks the place. */
const launch = {
  cluster: clusterReference,
  enableECSManagedTags: z.boolean().exactOptional(),
  enableExecuteCommand: z.boolean().exactOptional(),
  group: textUpTo(255).exactOptional(),
  networkConfiguration: networkConfiguration.exactOptional(),
  overrides: overrides.exactOptional(),
  propagateTags: propagateTags.exactOptional(),
  referenceId: textUpTo(1024).exactOptional(),
  startedBy: startedBy.exactOptional(),
  tags: tags.exactOptional(),
  taskDefinition: reference,
  volumeConfigurations: listUpTo(
    z.strictObject({
      name: nonEmptyText,
      managedEBSVolume: z
        .strictObject({
          ...ebsVolume,
          terminationPolicy: z.strictObject({ deleteOnTermination: z.boolean() }).exactOptional(),
        })
        .exactOptional(),
    }),
    1,
  ).exactOptional(),
};

export const runTask = z.strictObject({
  ...launch,
  count: integer(1, 10).exactOptional(),
  clientToken: clientToken(64).exactOptional(),
  launchType: launchType.exactOptional(),
  capacityProviderStrategy: capacityProviderStrategy.exactOptional(),
  placementConstraints: placementConstraints.exactOptional(),
  placementStrategy: placementStrategy.exactOptional(),
  platformVersion: z.string().exactOptional(),
});

export const startTask = z.strictObject({ ...launch, containerInstances: listFrom1To(reference, 10) });

export const stopTask = z.strictObject({
  cluster: clusterReference,
  task: reference,
  reason: textUpTo(1024).exactOptional(),
});

export const describeTasks = z.strictObject({
  cluster: clusterReference,
  tasks: listFrom1To(reference, 100),
  include: z.array(z.enum(['TAGS'])).exactOptional(),
});

export const listTasks = z.strictObject({
  cluster: clusterReference,
  containerInstance: z.string().exactOptional(),
  family: z.string().exactOptional(),
  startedBy: startedBy.exactOptional(),
  serviceName: z.string().exactOptional(),
  desiredStatus: z.enum(['RUNNING', 'PENDING', 'STOPPED']).exactOptional(),
  launchType: launchType.exactOptional(),
  daemonName: z.string().exactOptional(),
  ...page,
});

const protectionMinutes = integer(1, longestProtectionMinutes);

export const updateTaskProtection = z.strictObject({
  cluster: textUpTo(2048),
  expiresInMinutes: protectionMinutes.exactOptional(),
  protectionEnabled: z.boolean(),
  tasks: listFrom1To(reference, 10),
});

export const getTaskProtection = z.strictObject({
  cluster: textUpTo(2048),
  tasks: listFrom1To(reference, 100),
});

/**
 * Requests about task definitions. Only the shape is judged here; what must agree across a definition is judged by
 * `validateTaskDefinition` in #model/task-definition-validation.ts.
 */
import { z } from 'zod';
import { containerDefinition } from './container-definitions.ts';
import {
  enabledOrDisabled,
  integer,
  keyValuePair,
  listFrom1To,
  listUpTo,
  nonEmptyText,
  page,
  port,
  reference,
  resourceName,
  stringMap,
  tags,
  textUpTo,
} from './shared.ts';

const volume = z.strictObject({
  name: resourceName,
  host: z.strictObject({ sourcePath: z.string().exactOptional() }).exactOptional(),
  dockerVolumeConfiguration: z
    .strictObject({
      scope: z.enum(['task', 'shared']).exactOptional(),
      autoprovision: z.boolean().exactOptional(),
      driver: z.string().exactOptional(),
      driverOpts: stringMap.exactOptional(),
      labels: stringMap.exactOptional(),
    })
    .exactOptional(),
  efsVolumeConfiguration: z
    .strictObject({
      fileSystemId: nonEmptyText,
      rootDirectory: z.string().exactOptional(),
      transitEncryption: enabledOrDisabled.exactOptional(),
      transitEncryptionPort: port.exactOptional(),
      authorizationConfig: z
        .strictObject({ accessPointId: z.string().exactOptional(), iam: enabledOrDisabled.exactOptional() })
        .exactOptional(),
    })
    .exactOptional(),
  s3filesVolumeConfiguration: z
    .strictObject({
      fileSystemArn: nonEmptyText,
      rootDirectory: z.string().exactOptional(),
      transitEncryptionPort: port.exactOptional(),
      accessPointArn: z.string().exactOptional(),
    })
    .exactOptional(),
  fsxWindowsFileServerVolumeConfiguration: z
    .strictObject({
      fileSystemId: nonEmptyText,
      rootDirectory: nonEmptyText,
      authorizationConfig: z.strictObject({ credentialsParameter: nonEmptyText, domain: nonEmptyText }),
    })
    .exactOptional(),
  configuredAtLaunch: z.boolean().exactOptional(),
});

const runtimePlatform = z.strictObject({
  cpuArchitecture: z.enum(['X86_64', 'ARM64']).exactOptional(),
  operatingSystemFamily: z
    .enum([
      'LINUX',
      'WINDOWS_SERVER_2004_CORE',
      'WINDOWS_SERVER_2016_FULL',
      'WINDOWS_SERVER_2019_CORE',
      'WINDOWS_SERVER_2019_FULL',
      'WINDOWS_SERVER_2022_CORE',
      'WINDOWS_SERVER_2022_FULL',
      'WINDOWS_SERVER_2025_CORE',
      'WINDOWS_SERVER_2025_FULL',
      'WINDOWS_SERVER_20H2_CORE',
    ])
    .exactOptional(),
});

export const ephemeralStorage = z.strictObject({ sizeInGiB: integer(1, 200) });

export const registerTaskDefinition = z.strictObject({
  family: resourceName,
  taskRoleArn: z.string().exactOptional(),
  executionRoleArn: z.string().exactOptional(),
  networkMode: z.enum(['bridge', 'host', 'awsvpc', 'none']).exactOptional(),
  containerDefinitions: z.array(containerDefinition).min(1, { error: 'expected at least one item' }),
  volumes: z.array(volume).exactOptional(),
  placementConstraints: listUpTo(
    z.strictObject({ type: z.enum(['memberOf']).exactOptional(), expression: textUpTo(2000).exactOptional() }),
    10,
  ).exactOptional(),
  requiresCompatibilities: z.array(z.enum(['EC2', 'FARGATE', 'EXTERNAL', 'MANAGED_INSTANCES'])).exactOptional(),
  cpu: z.string().exactOptional(),
  memory: z.string().exactOptional(),
  tags: tags.exactOptional(),
  pidMode: z.enum(['host', 'task']).exactOptional(),
  ipcMode: z.enum(['host', 'task', 'none']).exactOptional(),
  proxyConfiguration: z
    .strictObject({
      type: z.enum(['APPMESH']).exactOptional(),
      containerName: nonEmptyText,
      properties: z.array(keyValuePair).exactOptional(),
    })
    .exactOptional(),
  inferenceAccelerators: z
    .array(z.strictObject({ deviceName: nonEmptyText, deviceType: nonEmptyText }))
    .exactOptional(),
  ephemeralStorage: ephemeralStorage.exactOptional(),
  runtimePlatform: runtimePlatform.exactOptional(),
  enableFaultInjection: z.boolean().exactOptional(),
});

export const describeTaskDefinition = z.strictObject({
  taskDefinition: reference,
  include: z.array(z.enum(['TAGS'])).exactOptional(),
});

export const listTaskDefinitions = z.strictObject({
  /** The whole name of a family, despite the word. */
  familyPrefix: z.string().exactOptional(),
  status: z.enum(['ACTIVE', 'INACTIVE', 'DELETE_IN_PROGRESS']).exactOptional(),
  sort: z.enum(['ASC', 'DESC']).exactOptional(),
  ...page,
});

export const listTaskDefinitionFamilies = z.strictObject({
  familyPrefix: z.string().exactOptional(),
  status: z.enum(['ACTIVE', 'INACTIVE', 'ALL']).exactOptional(),
  ...page,
});

export const deregisterTaskDefinition = z.strictObject({ taskDefinition: reference });

export const deleteTaskDefinitions = z.strictObject({ taskDefinitions: listFrom1To(reference, 10) });

/** Containers of a task definition, as RegisterTaskDefinition takes them. */
import { z } from 'zod';
import {
  anyInteger,
  count,
  integer,
  keyValuePair,
  logConfiguration,
  nonEmptyText,
  port,
  resourceName,
  secret,
  stringMap,
  strings,
} from './shared.ts';

const portMapping = z.strictObject({
  containerPort: port.exactOptional(),
  hostPort: port.exactOptional(),
  protocol: z.enum(['tcp', 'udp']).exactOptional(),
  name: z.string().exactOptional(),
  appProtocol: z.enum(['http', 'http2', 'grpc']).exactOptional(),
  containerPortRange: z
    .string()
    .regex(/^\d{1,5}-\d{1,5}$/, { error: 'expected a range of ports such as 8000-8010' })
    .exactOptional(),
});

const linuxParameters = z.strictObject({
  capabilities: z.strictObject({ add: strings.exactOptional(), drop: strings.exactOptional() }).exactOptional(),
  devices: z
    .array(
      z.strictObject({
        hostPath: nonEmptyText,
        containerPath: z.string().exactOptional(),
        permissions: z.array(z.enum(['read', 'write', 'mknod'])).exactOptional(),
      }),
    )
    .exactOptional(),
  initProcessEnabled: z.boolean().exactOptional(),
  sharedMemorySize: count.exactOptional(),
  tmpfs: z
    .array(z.strictObject({ containerPath: nonEmptyText, size: count, mountOptions: strings.exactOptional() }))
    .exactOptional(),
  maxSwap: count.exactOptional(),
  swappiness: integer(0, 100).exactOptional(),
});

const ulimit = z.strictObject({
  name: z.enum([
    'core',
    'cpu',
    'data',
    'fsize',
    'locks',
    'memlock',
    'msgqueue',
    'nice',
    'nofile',
    'nproc',
    'rss',
    'rtprio',
    'rttime',
    'sigpending',
    'stack',
  ]),
  softLimit: anyInteger,
  hardLimit: anyInteger,
});

/** Ranges of the times are rules of ECS over the whole definition; here they are only whole numbers. */
const healthCheck = z.strictObject({
  command: strings,
  interval: anyInteger.exactOptional(),
  timeout: anyInteger.exactOptional(),
  retries: anyInteger.exactOptional(),
  startPeriod: anyInteger.exactOptional(),
});

export const environmentFiles = z.array(z.strictObject({ value: nonEmptyText, type: z.enum(['s3']) }));

const resourceRequirement = z.strictObject({
  value: z.string().exactOptional(),
  type: z.enum(['GPU', 'InferenceAccelerator', 'NeuronDevice']),
  sharingStrategy: z
    .strictObject({
      nvidiaMps: z.strictObject({ memory: count, maxComputePercent: integer(0, 100).exactOptional() }),
    })
    .exactOptional(),
});

/** `value` names an accelerator, or counts the devices of the other types. */
export const resourceRequirements = z.array(
  resourceRequirement.refine(
    ({ type, value, sharingStrategy }) =>
      type === 'InferenceAccelerator' || sharingStrategy !== undefined || /^[1-9]\d{0,3}$/.test(value ?? ''),
    { path: ['value'], error: 'expected the number of whole devices, at least 1' },
  ),
);

export const containerDefinition = z.strictObject({
  name: resourceName,
  image: nonEmptyText,
  repositoryCredentials: z.strictObject({ credentialsParameter: nonEmptyText }).exactOptional(),
  cpu: count.exactOptional(),
  memory: anyInteger.exactOptional(),
  memoryReservation: anyInteger.exactOptional(),
  links: strings.exactOptional(),
  portMappings: z.array(portMapping).exactOptional(),
  essential: z.boolean().exactOptional(),
  restartPolicy: z
    .strictObject({
      enabled: z.boolean(),
      ignoredExitCodes: z.array(anyInteger).exactOptional(),
      restartAttemptPeriod: anyInteger.exactOptional(),
    })
    .exactOptional(),
  entryPoint: strings.exactOptional(),
  command: strings.exactOptional(),
  environment: z.array(keyValuePair).exactOptional(),
  environmentFiles: environmentFiles.exactOptional(),
  mountPoints: z
    .array(
      z.strictObject({
        sourceVolume: z.string().exactOptional(),
        containerPath: z.string().exactOptional(),
        readOnly: z.boolean().exactOptional(),
      }),
    )
    .exactOptional(),
  volumesFrom: z
    .array(z.strictObject({ sourceContainer: z.string().exactOptional(), readOnly: z.boolean().exactOptional() }))
    .exactOptional(),
  linuxParameters: linuxParameters.exactOptional(),
  secrets: z.array(secret).exactOptional(),
  dependsOn: z
    .array(
      z.strictObject({
        containerName: nonEmptyText,
        condition: z.enum(['START', 'COMPLETE', 'SUCCESS', 'HEALTHY']),
      }),
    )
    .exactOptional(),
  startTimeout: anyInteger.exactOptional(),
  stopTimeout: anyInteger.exactOptional(),
  versionConsistency: z.enum(['enabled', 'disabled']).exactOptional(),
  hostname: z.string().exactOptional(),
  user: z.string().exactOptional(),
  workingDirectory: z.string().exactOptional(),
  disableNetworking: z.boolean().exactOptional(),
  privileged: z.boolean().exactOptional(),
  readonlyRootFilesystem: z.boolean().exactOptional(),
  dnsServers: strings.exactOptional(),
  dnsSearchDomains: strings.exactOptional(),
  extraHosts: z.array(z.strictObject({ hostname: nonEmptyText, ipAddress: nonEmptyText })).exactOptional(),
  dockerSecurityOptions: strings.exactOptional(),
  interactive: z.boolean().exactOptional(),
  pseudoTerminal: z.boolean().exactOptional(),
  dockerLabels: stringMap.exactOptional(),
  ulimits: z.array(ulimit).exactOptional(),
  logConfiguration: logConfiguration.exactOptional(),
  healthCheck: healthCheck.exactOptional(),
  systemControls: z
    .array(z.strictObject({ namespace: z.string().exactOptional(), value: z.string().exactOptional() }))
    .exactOptional(),
  resourceRequirements: resourceRequirements.exactOptional(),
  firelensConfiguration: z
    .strictObject({ type: z.enum(['fluentd', 'fluentbit']), options: stringMap.exactOptional() })
    .exactOptional(),
  credentialSpecs: strings.exactOptional(),
});

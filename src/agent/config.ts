/** The agent's settings out of the environment, in ECS's own names where ECS has one. Wrong ones are told all at once, each by its name. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { logLevels, type LogLevel } from '#lib/logger.ts';
import type { Attribute } from '#model/attributes.ts';
import { parseImageReference } from '#model/image-reference.ts';
import type { HostPort } from '#model/resources.ts';
import type { CleanupSettings } from './engine/image-cleanup-plan.ts';
import { endpointSettings, endpointVariables } from './metadata/endpoint-settings.ts';
import type { LocalEndpointSettings } from './metadata/local-endpoints.ts';
import { isTaskSubnet } from './network/subnet-choice.ts';
import { pauseImage } from './tasks/pause-container.ts';
import { pullBehaviours, type PullBehaviour } from './engine/pull-plan.ts';
import { registryAuthTypes, type RegistryAuthType } from './engine/registry-auth.ts';
import { watchSettings, watchVariables, type WatchSettings } from './watch-settings.ts';

export interface AgentConfig {
  cluster: string;
  controlUrl: string;
  /** By which control knows the agent. A token's file is read at each connection, so that it may be renewed; `certificate`: the one in the data folder. */
  credentials: { kind: 'text'; token: string } | { kind: 'file'; path: string } | { kind: 'certificate' };
  /** Folder of the journal and the machine's identity. */
  dataFolder: string;
  dockerHost: string;
  reservedMemoryMiB: number;
  reservedPorts: readonly HostPort[];
  attributes: readonly Attribute[];
  stopTimeoutMs: number;
  startTimeoutMs: number;
  createTimeoutMs: number;
  cleanupWaitMs: number;
  /** `host:/path` of the NFS server by the id of the file system of EFS that it stands for. */
  fileSystems: ReadonlyMap<string, string>;
  /** Whether the machine's GPUs are given to tasks. */
  gpus: boolean;
  pullBehaviour: PullBehaviour;
  pullTimeoutMs: number;
  /** That are to be here before tasks want them. */
  prepullImages: readonly string[];
  pullInactivityTimeoutMs: number;
  /** Absent when images are not cleaned up. */
  imageCleanup?: CleanupSettings;
  registryAuth?: { type: RegistryAuthType; data: string };
  /** The file with the credentials that stand for secrets. */
  registryCredentialsFile?: string;
  /** The addresses of tasks with networks of their own, e.g. `10.88.0.0/16`; by default the first free range of ours. */
  taskSubnet?: string;
  localEndpoints: LocalEndpointSettings;
  logLevel: LogLevel;
  watch: WatchSettings;
  /** Whether the agent brings itself other versions when control asks for it. */
  updatesEnabled: boolean;
  /** How many containers are created or started at once. */
  engineConcurrency: number;
  /** How long the tasks of a machine that goes down may take to move. */
  shutdownDrainMs: number;
}

/** A setting is wrong. The message names it and holds no secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration as Go writes it, e.g. `1m30s`; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount = '', unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    sum += Number(amount) * (unitMs[unit] ?? 0);
  }
  return Math.round(sum);
}

/** As in ECS, less than the least is no error: the least is taken. */
function duration(initial: string, least: string) {
  return z
    .string()
    .default(initial)
    .transform((text, context) => {
      const ms = parseDuration(text);
      if (ms !== undefined) return Math.max(ms, parseDuration(least) ?? 0);
      context.addIssue({ code: 'custom', message: 'expected a duration, such as 30s or 1m30s', input: text });
      return z.NEVER;
    });
}

/** A setting that is JSON. */
function json<T>(schema: z.ZodType<T>, initial: string, expected: string) {
  return z
    .string()
    .default(initial)
    .transform((text, context): T => {
      const parsed = schema.safeParse(parseJson(text));
      if (parsed.success) return parsed.data;
      context.addIssue({ code: 'custom', message: `expected ${expected}`, input: text });
      return z.NEVER;
    });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Not JSON is one way of not being what the schema expects.
    return error;
  }
}

function whole(initial: number, least: number, most: number) {
  return z
    .string()
    .regex(/^\d{1,9}$/, { error: 'expected a whole number' })
    .transform(Number)
    .refine((value) => value >= least && value <= most, { error: `expected a number from ${least} to ${most}` })
    .default(initial);
}

function flagOf(initial: 'true' | 'false') {
  return z
    .enum(['true', 'false'], { error: 'expected true or false' })
    .default(initial)
    .transform((text) => text === 'true');
}

const flag = flagOf('false');

/** Where install.sh has another one: it says so in agent.env. */
const defaultDataFolder = '/var/lib/berth/agent';

const ports = z.array(z.number().int().min(1).max(65_535));
const portList = 'a JSON array of ports, such as [22,2375]';

const Environment = z.object({
  ECS_CLUSTER: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,255}$/, { error: 'expected a cluster name' })
    .optional(),
  BERTH_CONTROL_URL: z
    .url({ protocol: /^wss?$/, error: 'expected a WebSocket address, such as wss://10.0.0.5:4567/agent' })
    .refine((url) => isPrivate(URL.parse(url)), {
      error: 'expected wss:// for another machine: without TLS only this one may be talked to',
    })
    .optional(),
  BERTH_AGENT_TOKEN: z.string().min(1).optional(),
  BERTH_AGENT_TOKEN_FILE: z.string().min(1).optional(),
  ECS_DATADIR: z.string().startsWith('/', { error: 'expected an absolute path' }).default(defaultDataFolder),
  DOCKER_HOST: z
    .string()
    .regex(/^(unix:\/\/\/|tcp:\/\/)./, { error: 'expected unix:///path or tcp://host:port' })
    .default('unix:///var/run/docker.sock'),
  ECS_RESERVED_MEMORY: whole(0, 0, 100_000_000),
  ECS_RESERVED_PORTS: json(ports, '[22,2375,2376,51678,51679]', portList),
  ECS_RESERVED_PORTS_UDP: json(ports, '[]', portList),
  ECS_INSTANCE_ATTRIBUTES: json(
    z.record(z.string().min(1).max(128), z.string().max(128)),
    '{}',
    'a JSON object of names and texts, such as {"rack":"a"}',
  ),
  ECS_CONTAINER_STOP_TIMEOUT: duration('30s', '1s'),
  ECS_CONTAINER_START_TIMEOUT: duration('3m', '45s'),
  ECS_CONTAINER_CREATE_TIMEOUT: duration('4m', '1m'),
  ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION: duration('3h', '1s'),
  ECS_IMAGE_PULL_BEHAVIOR: z.enum(pullBehaviours).default('default'),
  ECS_IMAGE_PULL_TIMEOUT: duration('2h', '1s'),
  ECS_IMAGE_PULL_INACTIVITY_TIMEOUT: duration('1m', '1m'),
  ECS_UPDATES_ENABLED: flagOf('true'),
  ECS_DISABLE_IMAGE_CLEANUP: flag,
  ECS_IMAGE_CLEANUP_INTERVAL: duration('30m', '1s'),
  ECS_IMAGE_MINIMUM_CLEANUP_AGE: duration('1h', '0s'),
  NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE: duration('1h', '0s'),
  ECS_NUM_IMAGES_DELETE_PER_CYCLE: whole(5, 1, 1000),
  ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP: flag,
  ECS_EXCLUDE_UNTRACKED_IMAGE: z
    .string()
    .default('')
    .transform((text) => text.split(',').map((name) => name.trim()))
    .transform((names) => names.filter((name) => name !== '')),
  BERTH_IMAGE_DISK_HIGH_PERCENT: whole(85, 1, 100),
  BERTH_IMAGE_DISK_LOW_PERCENT: whole(80, 0, 100),
  ECS_ENGINE_AUTH_TYPE: z.enum(registryAuthTypes).optional(),
  ECS_ENGINE_AUTH_DATA: z.string().min(1).optional(),
  BERTH_PREPULL_IMAGES: json(
    z.array(z.string().refine((text) => parseImageReference(text) !== undefined)),
    '[]',
    'a JSON array of images, such as ["registry.example/web:1"]',
  ),
  BERTH_REGISTRY_CREDENTIALS_FILE: z.string().startsWith('/', { error: 'expected an absolute path' }).optional(),
  ECS_LOGLEVEL: z
    .enum(['crit', ...logLevels])
    .default('info')
    .transform((level): LogLevel => (level === 'crit' ? 'error' : level)),
  BERTH_TASK_SUBNET: z
    .string()
    .refine(isTaskSubnet, { error: 'expected a private IPv4 range of 16 to 16777216 addresses, such as 10.88.0.0/16' })
    .optional(),
  ECS_ENABLE_GPU_SUPPORT: flag,
  BERTH_EFS_FILE_SYSTEMS: json(
    z.record(z.string().regex(/^[\w-]{1,100}$/), z.string().regex(/^[^:,\s]+:\/[^,\s]*$/)),
    '{}',
    'a JSON object of file systems and NFS servers, such as {"fs-0123":"10.0.0.9:/export"}',
  ),
  BERTH_ENGINE_CONCURRENCY: whole(4, 1, 64),
  BERTH_SHUTDOWN_DRAIN: duration('2m', '0s'),
  ...endpointVariables,
  ...watchVariables,
});

/** How the machine has joined: what is not set follows from it. */
export interface JoinedAs {
  /** e.g. `wss://10.0.0.5:4567/agent`. */
  readonly controlUrl: string;
  readonly cluster: string;
}

const localControl = 'ws://127.0.0.1:4566/agent';

/** Throws a ConfigError that names every wrong setting. `joinedIn` answers how the machine with the data folder has joined, if it has. */
export function readConfig(
  environment: NodeJS.ProcessEnv = process.env,
  joinedIn: (dataFolder: string) => JoinedAs | undefined = () => undefined,
): AgentConfig {
  // An empty variable is how shells and units say "not set".
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = Environment.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError(problems.join('; '));
  }
  const {
    BERTH_AGENT_TOKEN: token,
    BERTH_AGENT_TOKEN_FILE: tokenFile,
    ECS_ENGINE_AUTH_TYPE: authType,
    ECS_ENGINE_AUTH_DATA: authData,
    BERTH_REGISTRY_CREDENTIALS_FILE: credentialsFile,
    ...rest
  } = parsed.data;
  const joined = joinedIn(rest.ECS_DATADIR);
  const hasToken = token !== undefined || tokenFile !== undefined;
  const controlUrl = rest.BERTH_CONTROL_URL ?? (hasToken ? localControl : (joined?.controlUrl ?? localControl));
  return {
    controlUrl,
    ...(controlUrl.startsWith('wss:')
      ? joinedSettings(rest, joined)
      : { cluster: rest.ECS_CLUSTER ?? 'default', credentials: tokenSetting(token, tokenFile) }),
    dataFolder: rest.ECS_DATADIR,
    dockerHost: rest.DOCKER_HOST,
    reservedMemoryMiB: rest.ECS_RESERVED_MEMORY,
    reservedPorts: [
      ...rest.ECS_RESERVED_PORTS.map((port): HostPort => ({ port, protocol: 'tcp' })),
      ...rest.ECS_RESERVED_PORTS_UDP.map((port): HostPort => ({ port, protocol: 'udp' })),
    ],
    attributes: Object.entries(rest.ECS_INSTANCE_ATTRIBUTES).map(([name, value]) => ({ name, value })),
    stopTimeoutMs: rest.ECS_CONTAINER_STOP_TIMEOUT,
    startTimeoutMs: rest.ECS_CONTAINER_START_TIMEOUT,
    createTimeoutMs: rest.ECS_CONTAINER_CREATE_TIMEOUT,
    cleanupWaitMs: rest.ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION,
    fileSystems: new Map(Object.entries(rest.BERTH_EFS_FILE_SYSTEMS)),
    gpus: rest.ECS_ENABLE_GPU_SUPPORT,
    pullBehaviour: rest.ECS_IMAGE_PULL_BEHAVIOR,
    prepullImages: rest.BERTH_PREPULL_IMAGES,
    pullTimeoutMs: rest.ECS_IMAGE_PULL_TIMEOUT,
    pullInactivityTimeoutMs: rest.ECS_IMAGE_PULL_INACTIVITY_TIMEOUT,
    ...imageCleanup(parsed.data),
    ...registryAuth(authType, authData),
    ...(credentialsFile === undefined ? {} : { registryCredentialsFile: credentialsFile }),
    localEndpoints: endpointSettings(rest),
    watch: watchSettings(rest),
    logLevel: rest.ECS_LOGLEVEL,
    ...(rest.BERTH_TASK_SUBNET === undefined ? {} : { taskSubnet: rest.BERTH_TASK_SUBNET }),
    updatesEnabled: rest.ECS_UPDATES_ENABLED,
    engineConcurrency: rest.BERTH_ENGINE_CONCURRENCY,
    shutdownDrainMs: rest.BERTH_SHUTDOWN_DRAIN,
  };
}

/** Over TLS the machine is known by its certificate, which is for one cluster. */
function joinedSettings(
  { ECS_CLUSTER: wanted, ECS_DATADIR: folder }: z.infer<typeof Environment>,
  joined: JoinedAs | undefined,
): Pick<AgentConfig, 'cluster' | 'credentials'> {
  if (joined === undefined) {
    throw new ConfigError(
      `BERTH_CONTROL_URL: over TLS a machine needs a certificate, and ${folder} holds none: join it with the command that \`berth instance invite\` prints`,
    );
  }
  const { cluster } = joined;
  if (wanted !== undefined && wanted !== cluster) {
    throw new ConfigError(`ECS_CLUSTER: this machine has joined cluster ${cluster}, not ${wanted}; leave it away`);
  }
  return { cluster, credentials: { kind: 'certificate' } };
}

/** Whether nobody can read along: over TLS, or on this machine. */
function isPrivate(url: URL | null): boolean {
  // What is no address at all is told as such.
  if (url === null) return true;
  const { protocol, hostname } = url;
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return protocol === 'wss:' || host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function tokenSetting(token: string | undefined, path: string | undefined): AgentConfig['credentials'] {
  if (token !== undefined) return { kind: 'text', token };
  if (path !== undefined) return { kind: 'file', path };
  throw new ConfigError(
    'set BERTH_AGENT_TOKEN or BERTH_AGENT_TOKEN_FILE, the token of a control service on this machine; on another one join with the command that `berth instance invite` prints',
  );
}

function imageCleanup(settings: z.infer<typeof Environment>): Pick<AgentConfig, 'imageCleanup'> {
  const { BERTH_IMAGE_DISK_HIGH_PERCENT: high, BERTH_IMAGE_DISK_LOW_PERCENT: low } = settings;
  if (low > high) throw new ConfigError('BERTH_IMAGE_DISK_LOW_PERCENT: expected no more than the high mark');
  if (settings.ECS_DISABLE_IMAGE_CLEANUP) return {};
  return {
    imageCleanup: {
      intervalMs: settings.ECS_IMAGE_CLEANUP_INTERVAL,
      minimumAgeMs: settings.ECS_IMAGE_MINIMUM_CLEANUP_AGE,
      untrackedMinimumAgeMs: settings.NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE,
      perCycle: settings.ECS_NUM_IMAGES_DELETE_PER_CYCLE,
      untracked: settings.ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP,
      excluded: [pauseImage, ...settings.ECS_EXCLUDE_UNTRACKED_IMAGE],
      diskMarks: { high, low },
    },
  };
}

function registryAuth(type: RegistryAuthType | undefined, data: string | undefined): Pick<AgentConfig, 'registryAuth'> {
  if (type === undefined && data === undefined) return {};
  if (type === undefined || data === undefined) {
    throw new ConfigError('ECS_ENGINE_AUTH_TYPE and ECS_ENGINE_AUTH_DATA belong together: set both or none');
  }
  return { registryAuth: { type, data } };
}

/** What `berth agent join` may find in the environment: the code stands in no argument, since everybody on the machine may read those. */
export function readJoinEnvironment(environment: NodeJS.ProcessEnv = process.env): {
  dataFolder: string;
  activationCode?: string;
} {
  const { ECS_DATADIR: folder, BERTH_ACTIVATION_CODE: code } = environment;
  return {
    dataFolder: folder === undefined || folder === '' ? defaultDataFolder : folder,
    ...(code === undefined || code === '' ? {} : { activationCode: code }),
  };
}

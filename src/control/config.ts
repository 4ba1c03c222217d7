/** The control service's settings out of the environment. Wrong ones are told all at once, each by its name. */
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import { logLevels, type LogLevel } from '#lib/logger.ts';
import { defaultRealm, type Realm } from '#model/arn.ts';

export type StoreConfig = { kind: 'sqlite'; path: string } | { kind: 'postgres'; url: string };

export interface Address {
  host: string;
  port: number;
}

export interface ControlConfig {
  /** Plain, on a loopback address. Port 0 lets the system choose. */
  listen: Address;
  /** Over TLS, for other machines; absent: none. */
  tls?: {
    listen: Address;
    /** By which control is asked for, besides what the machine knows of itself. */
    names: readonly string[];
  };
  store: StoreConfig;
  /** Folder of what this service keeps beside the store: its key, the agents' token. */
  home: string;
  realm: Realm;
  /** Absent: made at the first start and kept in `home`. */
  adminKey?: { accessKeyId: string; secretAccessKey: string };
  /** Absent: made at the first start and kept in `home`. */
  agentToken?: string;
  /** How long an instance may be silent before tasks of services that say nothing else are replaced. 0: for ever. */
  lostAfterMs: number;
  stoppedTaskRetentionMs: number;
  heartbeatIntervalMs: number;
  /** How long a task without health check must have run before it counts as healthy. */
  healthyAfterMs: number;
  logLevel: LogLevel;
}

/** A setting is wrong. The message names it and holds no secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

function seconds(initial: number, minimum = 0) {
  const error = `expected a number of seconds, at least ${minimum}`;
  return z
    .string()
    .regex(/^\d{1,9}(\.\d{1,3})?$/, { error })
    .transform(Number)
    .refine((value) => value >= minimum, { error })
    .default(initial)
    .transform((value) => Math.round(value * 1000));
}

const hostName = /^[A-Za-z0-9.-]+$/;

const address = z.string().transform((text, context): Address => {
  const [, host = '', port = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if ((isIP(bare) !== 0 || hostName.test(bare)) && Number(port) <= 65_535) return { host: bare, port: Number(port) };
  context.addIssue({ code: 'custom', message: 'expected <host>:<port>, such as 127.0.0.1:4566', input: text });
  return z.NEVER;
});

/** Whoever can reach it can read along, so that it is for this machine alone. */
const plainAddress = address.refine(({ host }) => isLoopback(host), {
  error:
    'expected a loopback address, such as 127.0.0.1:4566, since it has no TLS; set BERTH_TLS_LISTEN for other machines, such as 0.0.0.0:4567',
});

const names = z
  .string()
  .default('')
  .transform((text) => text.split(/[\s,]+/).filter((name) => name !== ''))
  .refine((list) => list.every((name) => isIP(name) !== 0 || hostName.test(name)), {
    error: 'expected names and addresses with commas between, such as berth.example.org,10.0.0.5',
  });

const store = z.string().transform((text, context): StoreConfig => {
  if (/^postgres(ql)?:\/\/./.test(text)) return { kind: 'postgres', url: text };
  if (/^sqlite:./.test(text)) return { kind: 'sqlite', path: text.slice('sqlite:'.length) };
  // The value may hold a password, so it is not told back.
  context.addIssue({ code: 'custom', message: 'expected sqlite:<path> or postgres://…' });
  return z.NEVER;
});

const secret = z.string().min(16, { error: 'expected at least 16 characters' }).exactOptional();

const environment = z.object({
  BERTH_LISTEN: plainAddress.prefault('127.0.0.1:4566'),
  BERTH_TLS_LISTEN: address.exactOptional(),
  BERTH_TLS_NAMES: names,
  BERTH_STORE: store.exactOptional(),
  BERTH_HOME: z.string().min(1, { error: 'expected a folder' }).default('/var/lib/berth'),
  BERTH_REGION: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, { error: 'expected the form of an AWS region, such as us-east-1' })
    .default(defaultRealm.region),
  BERTH_ACCOUNT_ID: z
    .string()
    .regex(/^\d{12}$/, { error: 'expected 12 digits' })
    .default(defaultRealm.accountId),
  BERTH_ADMIN_ACCESS_KEY_ID: z
    .string()
    .regex(/^\w{4,128}$/, { error: 'expected 4 to 128 letters, digits and underscores' })
    .exactOptional(),
  BERTH_ADMIN_SECRET_ACCESS_KEY: secret,
  BERTH_AGENT_TOKEN: secret,
  BERTH_LOST_AFTER: seconds(60),
  BERTH_STOPPED_TASK_RETENTION: seconds(259_200, 3600),
  BERTH_HEARTBEAT_INTERVAL: seconds(10, 0.1),
  BERTH_HEALTHY_AFTER: seconds(40),
  BERTH_LOG_LEVEL: z.enum(logLevels).default('info'),
});

/**
 * The one setting that may be an argument: `--database URL` stands for BERTH_STORE. Everybody on the machine can read arguments, so that a URL with a
 * password is refused. Answers the environment with it; throws a ConfigError.
 */
export function withArguments(args: readonly string[], variables: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const [name, value, ...rest] = args.flatMap((word) => /^(--database)=(.*)$/s.exec(word)?.slice(1) ?? [word]);
  if (name === undefined) return variables;
  if (name !== '--database' || value === undefined || rest.length > 0) {
    throw new ConfigError(
      'berth control takes no argument but --database URL; other settings come from the environment',
    );
  }
  const hasPassword = /^[a-z]+:\/\/[^/@]*:[^/@]*@/i.test(value) || /[?&]password=/i.test(value);
  if (hasPassword) {
    throw new ConfigError(
      '--database: everybody on this machine can read a password that is an argument; give the whole URL in the environment, as BERTH_STORE',
    );
  }
  const given = variables['BERTH_STORE'];
  if (given !== undefined && given !== '' && given !== value) {
    throw new ConfigError('--database: BERTH_STORE says something else; give one of the two');
  }
  return { ...variables, BERTH_STORE: value };
}

/** Throws a ConfigError. Variables that are empty count as absent. */
export function readConfig(variables: NodeJS.ProcessEnv = process.env): ControlConfig {
  const given = Object.fromEntries(
    Object.entries(variables).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = environment.safeParse(given);
  if (!parsed.success) throw new ConfigError(problems(parsed.error));
  const env = parsed.data;
  const home = resolve(env.BERTH_HOME);
  const adminKey = adminKeyOf(env.BERTH_ADMIN_ACCESS_KEY_ID, env.BERTH_ADMIN_SECRET_ACCESS_KEY);
  return {
    listen: env.BERTH_LISTEN,
    ...(env.BERTH_TLS_LISTEN === undefined
      ? {}
      : { tls: { listen: env.BERTH_TLS_LISTEN, names: env.BERTH_TLS_NAMES } }),
    store: env.BERTH_STORE ?? { kind: 'sqlite', path: join(home, 'control.sqlite') },
    home,
    realm: { ...defaultRealm, region: env.BERTH_REGION, accountId: env.BERTH_ACCOUNT_ID },
    ...(adminKey === undefined ? {} : { adminKey }),
    ...(env.BERTH_AGENT_TOKEN === undefined ? {} : { agentToken: env.BERTH_AGENT_TOKEN }),
    lostAfterMs: env.BERTH_LOST_AFTER,
    stoppedTaskRetentionMs: env.BERTH_STOPPED_TASK_RETENTION,
    heartbeatIntervalMs: env.BERTH_HEARTBEAT_INTERVAL,
    healthyAfterMs: env.BERTH_HEALTHY_AFTER,
    logLevel: env.BERTH_LOG_LEVEL,
  };
}

const installedSettings = '/etc/berth/control.env';

/** For commands beside the service: the environment when it names a home or a store, else what install.sh wrote; `from` says which. Throws a ConfigError. */
export function readConfigOfService(variables: NodeJS.ProcessEnv = process.env): {
  config: ControlConfig;
  from: string;
} {
  const isGiven = [variables['BERTH_HOME'], variables['BERTH_STORE']].some((value) => value !== undefined);
  if (isGiven || !existsSync(installedSettings)) return { config: readConfig(variables), from: 'the environment' };
  try {
    const settings = parseEnv(readFileSync(installedSettings, 'utf8'));
    return { config: readConfig({ ...variables, ...settings }), from: installedSettings };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`cannot read ${installedSettings}; run the command as root`, { cause: error });
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function problems(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
}

function adminKeyOf(accessKeyId?: string, secretAccessKey?: string): ControlConfig['adminKey'] {
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined;
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new ConfigError('BERTH_ADMIN_ACCESS_KEY_ID and BERTH_ADMIN_SECRET_ACCESS_KEY: give both or neither');
  }
  return { accessKeyId, secretAccessKey };
}

/**
 * Where the command line finds its cluster: the environment that `aws` understands too (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …), else the
 * development cluster of this clone. The only reader of process.env in the command line.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { damagedStateAdvice } from './dev/state.ts';
import { CliError } from './errors.ts';
import { installedEndpoint, type Endpoint } from './installed-endpoint.ts';

export type { Endpoint };

export interface CliEnvironment {
  /** State folder of the development cluster. */
  home: string;
  /** The folder that holds package.json, bin/ and sample/. */
  root: string;
  cluster: string;
  /** Passed on to the daemons of a development cluster. */
  inherited: NodeJS.ProcessEnv;
  isColorAllowed: boolean;
  /** The kind of this terminal, for commands that get one. */
  term?: string;
}

export function readEnvironment(root: string): CliEnvironment {
  return {
    home: resolve(process.env['BERTH_HOME'] ?? join(root, '.berth')),
    root,
    cluster: process.env['ECS_CLUSTER'] ?? 'default',
    inherited: process.env,
    isColorAllowed: process.env['NO_COLOR'] === undefined,
    ...termOf(process.env['TERM']),
  };
}

const Credentials = z.object({ accessKeyId: z.string().min(1), secretAccessKey: z.string().min(1) });
const DevCluster = z.object({ endpoint: z.url(), region: z.string().min(1) });

/** A name that no terminal has is left out. */
function termOf(term: string | undefined): { term?: string } {
  return term !== undefined && /^[A-Za-z0-9._+-]{1,64}$/.test(term) ? { term } : {};
}

/** The endpoint named by the environment; without AWS_ENDPOINT_URL the development cluster's, or else that of the control service installed here. */
export function findEndpoint(environment: CliEnvironment): Endpoint {
  const url = process.env['AWS_ENDPOINT_URL_ECS'] ?? process.env['AWS_ENDPOINT_URL'];
  if (url === undefined) {
    const installed = existsSync(join(environment.home, 'dev.json')) ? undefined : installedEndpoint();
    return installed ?? developmentEndpoint(environment.home);
  }
  const accessKeyId = process.env['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = process.env['AWS_SECRET_ACCESS_KEY'];
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new CliError(`AWS_ENDPOINT_URL is set to ${url}, but AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not`, {
      next: 'export both; the first start of `berth control` writes them to admin-credentials.json in its state folder',
    });
  }
  const caBundle = process.env['AWS_CA_BUNDLE'];
  return {
    url,
    ...(caBundle === undefined || caBundle === '' ? {} : { caBundle }),
    region: process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'] ?? 'us-east-1',
    accessKeyId,
    secretAccessKey,
  };
}

/** Reads what `berth dev up` left behind. */
export function developmentEndpoint(home: string): Endpoint {
  const cluster = readJson(join(home, 'dev.json'), DevCluster, damagedStateAdvice);
  if (cluster === undefined) {
    throw new CliError(
      'no cluster to talk to: AWS_ENDPOINT_URL is not set and no development cluster was started here',
      {
        next: 'start one with `npm start` (or `berth dev up`), or export AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
      },
    );
  }
  const file = join(home, 'control', 'admin-credentials.json');
  const anew = 'then `berth dev down` and `berth dev up`, which makes a new key';
  const credentials = readJson(file, Credentials, `remove the file, ${anew}`);
  if (credentials === undefined) {
    throw new CliError(`the development cluster has no credentials at ${file}`, {
      next: 'run `berth dev down`, then `berth dev up`',
    });
  }
  return { url: cluster.endpoint, region: cluster.region, ...credentials };
}

/** Undefined when the file is not there; a file that is there but wrong is an error that names the field. */
function readJson<T>(file: string, schema: z.ZodType<T>, damagedAdvice: string): T | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new CliError(`cannot read ${file}`, {
      cause: error,
      next: 'run the command as the user who started the cluster',
    });
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    const detail = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new CliError(`${file} is damaged: ${detail}`, { cause: error, next: damagedAdvice });
  }
}

/** The control service that install.sh has put on this machine: where it listens and the key of its operator, for root, who alone may read them. */
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import { readFileIfThere } from '#lib/durable-file.ts';
import { CliError } from './errors.ts';

export interface Endpoint {
  url: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** File with the authorities by which an https endpoint is known, as for `aws`; absent: those of the system. */
  caBundle?: string;
}

const settingsFile = '/etc/berth/control.env';

const Credentials = z.object({ accessKeyId: z.string().min(1), secretAccessKey: z.string().min(1) });

/** Undefined where no control service is installed. Throws a CliError for whoever may not read its settings. */
export function installedEndpoint(file: string = settingsFile): Endpoint | undefined {
  const text = readOwn(file);
  if (text === undefined) return undefined;
  const settings = parseEnv(text);
  const credentials = credentialsOf(settings);
  if (credentials === undefined) return undefined;
  const url = `http://${reachable(settings['BERTH_LISTEN'] || '127.0.0.1:4566')}`;
  return { url, region: settings['BERTH_REGION'] || 'us-east-1', ...credentials };
}

function credentialsOf(settings: NodeJS.Dict<string>): z.infer<typeof Credentials> | undefined {
  const { BERTH_ADMIN_ACCESS_KEY_ID: accessKeyId, BERTH_ADMIN_SECRET_ACCESS_KEY: secretAccessKey } = settings;
  if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey };
  const file = join(settings['BERTH_HOME'] || '/var/lib/berth', 'admin-credentials.json');
  const text = readOwn(file);
  if (text === undefined) return undefined;
  const parsed = Credentials.safeParse(parseJson(text));
  if (!parsed.success) throw new CliError(`${file} is damaged: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Not JSON is one way of not being what is expected.
    return error;
  }
}

function readOwn(file: string): string | undefined {
  try {
    return readFileIfThere(file);
  } catch (error) {
    throw new CliError(`a control service is installed on this machine, and ${file} cannot be read`, {
      cause: error,
      next: 'run the command as root, or export AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    });
  }
}

/** Every address of the machine is one that is not asked at. */
function reachable(listen: string): string {
  return listen.replace(/^(0\.0\.0\.0|\[::\]):/, '127.0.0.1:');
}

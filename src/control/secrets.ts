/**
 * What the service must know before anybody can talk to it: the admin's access key and the agents' join token. Given by configuration, or
 * made at the first start and kept in files that only their owner may read. A file is whole or it is not there.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Ids } from '#lib/ids.ts';
import { ConfigError, type ControlConfig } from './config.ts';

export interface Secrets {
  adminKey: { accessKeyId: string; secretAccessKey: string };
  agentToken: string;
}

const ownerOnly = 0o600;

/** Throws a ConfigError that names the file or folder when one cannot be read or written. */
export function loadSecrets(config: Pick<ControlConfig, 'home' | 'adminKey' | 'agentToken'>, ids: Ids): Secrets {
  const { home } = config;
  checkHome(home);
  return {
    adminKey: config.adminKey ?? adminKeyIn(join(home, 'admin-credentials.json'), ids),
    agentToken: config.agentToken ?? agentTokenIn(join(home, 'agent-token'), ids),
  };
}

/** Written in every case, since a folder that cannot be written to is better found out now. */
function checkHome(home: string): void {
  const probe = join(home, `.writable-${process.pid}`);
  try {
    makeFolder(home);
    closeSync(openSync(probe, 'w', ownerOnly));
    rmSync(probe);
  } catch (error) {
    throw new ConfigError(`BERTH_HOME: cannot write to the folder ${home} (${codeOf(error)})`, { cause: error });
  }
}

/** Not `recursive`, which never ends in Node where the system answers ENOENT for a folder whose parent is there, as below /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

function adminKeyIn(file: string, ids: Ids): Secrets['adminKey'] {
  const made = { accessKeyId: `AKIA${ids.hex(16).toUpperCase()}`, secretAccessKey: ids.hex(40) };
  const text = keptText(file, `${JSON.stringify(made, undefined, 2)}\n`);
  const key = parsedKey(text);
  if (key === undefined) {
    const form = '{"accessKeyId": …, "secretAccessKey": …}';
    throw new ConfigError(`${file} is damaged: expected ${form}; remove it to have a new key made`);
  }
  return key;
}

function parsedKey(text: string): Secrets['adminKey'] | undefined {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json !== 'object' || json === null || !('accessKeyId' in json) || !('secretAccessKey' in json)) {
      return undefined;
    }
    const { accessKeyId, secretAccessKey } = json;
    if (typeof accessKeyId !== 'string' || typeof secretAccessKey !== 'string') return undefined;
    return accessKeyId === '' || secretAccessKey === '' ? undefined : { accessKeyId, secretAccessKey };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function agentTokenIn(file: string, ids: Ids): string {
  const token = keptText(file, `${ids.hex(64)}\n`).trim();
  if (token === '') throw new ConfigError(`${file} is empty: remove it to have a new token made`);
  return token;
}

/** What the file holds; the first to come writes `initial`. */
function keptText(file: string, initial: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw new ConfigError(`cannot read ${file} (${codeOf(error)})`, { cause: error });
  }
  try {
    writeOnce(file, initial);
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot write ${file} (${codeOf(error)})`, { cause: error });
  }
}

/** A link, unlike a rename, leaves a file alone that another process put there meanwhile. */
function writeOnce(file: string, text: string): void {
  const draft = `${file}.${process.pid}`;
  const handle = openSync(draft, 'w', ownerOnly);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  try {
    linkSync(draft, file);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

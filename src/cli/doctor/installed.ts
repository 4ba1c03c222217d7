/** What install.sh has set on this machine, as `berth doctor` needs it: where control listens, where the agent finds it and by what it knows it. */
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { readFileIfThere } from '#lib/durable-file.ts';
import { CliError } from '../errors.ts';
import type { Role } from './findings.ts';

export interface Installed {
  /** What is installed; empty: nothing yet. */
  readonly roles: readonly Role[];
  readonly listen: Address;
  readonly tlsListen: Address;
  /** `http://host:port` or `https://host:port`, where the agent has been told of it. */
  readonly control?: string;
  /** PEM. */
  readonly authorities?: string;
  readonly certificatePem?: string;
  readonly engineSocket: string;
  /** Whose disk matters. */
  readonly dataFolder: string;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

const settingsFolder = '/etc/berth';
const dayMs = 86_400_000;

/** `folder` is another one in tests. Throws a CliError for whoever may not read what is there. */
export function readInstalled(folder: string = settingsFolder): Installed {
  const control = settingsIn(join(folder, 'control.env'));
  const agent = settingsIn(join(folder, 'agent.env'));
  const agentData = agent?.['ECS_DATADIR'] ?? '/var/lib/berth/agent';
  const authorities = agent === undefined ? undefined : textIn(join(agentData, 'ca.pem'));
  const identity = agent === undefined ? undefined : textIn(join(agentData, 'identity.pem'));
  const controlUrl = agent?.['BERTH_CONTROL_URL'];
  const dataFolder = agent === undefined ? control?.['BERTH_HOME'] : agentData;
  return {
    roles: [
      ...(control === undefined ? [] : (['control'] as const)),
      ...(agent === undefined ? [] : (['agent'] as const)),
    ],
    listen: addressOf(control?.['BERTH_LISTEN'] ?? '127.0.0.1:4566'),
    tlsListen: addressOf(control?.['BERTH_TLS_LISTEN'] ?? '0.0.0.0:4567'),
    ...(controlUrl === undefined ? {} : { control: new URL(controlUrl.replace(/^ws/, 'http')).origin }),
    ...(authorities === undefined ? {} : { authorities }),
    ...(identity === undefined ? {} : { certificatePem: identity }),
    engineSocket: /^unix:\/\/(.+)$/.exec(agent?.['DOCKER_HOST'] ?? '')?.[1] ?? '/var/run/docker.sock',
    dataFolder: dataFolder !== undefined && existsSync(dataFolder) ? dataFolder : tmpdir(),
  };
}

/** Negative: it has lapsed. */
export function daysLeftOf(pem: string, now: number): number {
  const [certificate] = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/.exec(pem) ?? [];
  if (certificate === undefined) throw new Error('identity.pem holds no certificate');
  return (new X509Certificate(certificate).validToDate.getTime() - now) / dayMs;
}

function addressOf(text: string): Address {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(at + 1)) };
}

function settingsIn(file: string): NodeJS.Dict<string> | undefined {
  const text = textIn(file);
  return text === undefined ? undefined : parseEnv(text);
}

function textIn(file: string): string | undefined {
  try {
    return readFileIfThere(file);
  } catch (error) {
    throw new CliError(`${file} cannot be read`, { cause: error, next: 'run the command as root' });
  }
}

/**
 * Static registry credentials in the two forms of the ECS agent's ECS_ENGINE_AUTH_TYPE and ECS_ENGINE_AUTH_DATA, matched to image references by
 * registry host. Pure. `docker`: {"host": {"username", "password"}}. `dockercfg`: {"host": {"auth": base64 of user:password}}, also
 * wrapped in {"auths": …} as in ~/.docker/config.json.
 */
import { z } from 'zod';
import type { RegistryCredentials } from './container-engine.ts';
import { dockerHub, parseImageReference } from '#model/image-reference.ts';

export const registryAuthTypes = ['docker', 'dockercfg'] as const;
export type RegistryAuthType = (typeof registryAuthTypes)[number];

/** The credentials for the registry of a reference; undefined when there are none. */
export type FindCredentials = (reference: string) => RegistryCredentials | undefined;

const Docker = z.record(z.string(), z.object({ username: z.string(), password: z.string() }));
const DockerCfg = z.record(z.string(), z.object({ auth: z.string() }));

/** Throws a RangeError that names the field; no value is repeated in it, because values are secrets. */
export function parseRegistryAuth(type: RegistryAuthType, data: string): FindCredentials {
  const json = parseJson(data);
  const byHost = new Map<string, RegistryCredentials>();
  for (const [address, login] of type === 'docker' ? checked(Docker, json) : decoded(json)) {
    byHost.set(hostOf(address), { ...login, serverAddress: address });
  }
  return (reference) => {
    const registry = parseImageReference(reference)?.registry;
    return registry === undefined ? undefined : byHost.get(registry);
  };
}

function* decoded(json: unknown): Generator<[string, { username: string; password: string }]> {
  const isWrapped = typeof json === 'object' && json !== null && 'auths' in json;
  const entries = checked(DockerCfg, isWrapped ? json.auths : json);
  for (const [address, { auth }] of entries) {
    const login = Buffer.from(auth, 'base64').toString('utf8');
    const colon = login.indexOf(':');
    if (colon < 0) throw new RangeError(`registry credentials: "auth" of ${address} is not base64 of user:password`);
    yield [address, { username: login.slice(0, colon), password: login.slice(colon + 1) }];
  }
}

function checked<T>(schema: z.ZodType<Record<string, T>>, json: unknown): [string, T][] {
  const parsed = schema.safeParse(json);
  if (parsed.success) return Object.entries(parsed.data);
  const issue = parsed.error.issues[0];
  throw new RangeError(`registry credentials: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not understood'}`);
}

function parseJson(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    throw new RangeError('registry credentials: not JSON');
  }
}

/** `https://index.docker.io/v1/`, `registry.example:5000` and `https://registry.example/v2/` all name a host. */
function hostOf(address: string): string {
  const host = address.replace(/^[a-z]+:\/\//i, '').split('/')[0] ?? '';
  return ['index.docker.io', 'registry-1.docker.io', 'hub.docker.com'].includes(host) ? dockerHub : host;
}

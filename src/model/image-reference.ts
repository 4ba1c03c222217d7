/**
 * Image references as engines and registries read them: `[host[:port]/]path[:tag][@digest]`. A name without a registry host is Docker
 * Hub's, one without tag and digest means `latest`. Pure.
 */

export interface ImageReference {
  /** `docker.io` when the name has none. */
  registry: string;
  /** Path at the registry, Docker Hub's official images with their `library/`. */
  path: string;
  /** As the engine wants it in `fromImage`: the name as written, without tag and digest. */
  name: string;
  /** `latest` is filled in when there is neither tag nor digest. */
  tag?: string;
  digest?: string;
}

export const dockerHub = 'docker.io';

const longestName = 255;
const pathPart = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/;
const hostName =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?$/;
const tagForm = /^\w[\w.-]{0,127}$/;
const digestForm = /^[a-z][a-z0-9]*(?:[-_+.][a-z][a-z0-9]*)*:[0-9a-fA-F]{32,}$/i;

/** Undefined when `text` is no reference. Everything that is returned is safe to put into a URL path. */
export function parseImageReference(text: string): ImageReference | undefined {
  const [beforeDigest = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !digestForm.test(digest))) return undefined;
  const colon = beforeDigest.lastIndexOf(':');
  const hasTag = colon > beforeDigest.lastIndexOf('/');
  const name = hasTag ? beforeDigest.slice(0, colon) : beforeDigest;
  const tag = hasTag ? beforeDigest.slice(colon + 1) : undefined;
  if (tag !== undefined && !tagForm.test(tag)) return undefined;
  if (name.length > longestName) return undefined;
  const place = splitRegistry(name);
  if (!hostName.test(place.registry) || !place.path.split('/').every((part) => pathPart.test(part))) return undefined;
  return {
    registry: place.registry === `index.${dockerHub}` ? dockerHub : place.registry,
    path: place.registry === dockerHub && !place.path.includes('/') ? `library/${place.path}` : place.path,
    name,
    ...(tag === undefined ? digest === undefined && { tag: 'latest' } : { tag }),
    ...(digest !== undefined && { digest }),
  };
}

/** The first part is a registry when it cannot be a part of a path: it has a dot, a port or capitals, or is `localhost`. */
function splitRegistry(name: string): { registry: string; path: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, slash);
  const isRegistry = slash > 0 && (/[.:A-Z]/.test(first) || first === 'localhost');
  return isRegistry ? { registry: first, path: name.slice(slash + 1) } : { registry: dockerHub, path: name };
}

/** The same text for all spellings of one reference (`web`, `docker.io/library/web:latest`); what is no reference stays as it is. */
export function canonicalReference(text: string): string {
  const parsed = parseImageReference(text);
  if (parsed === undefined) return text;
  const { registry, path, tag, digest } = parsed;
  // Where there is a digest, the tag is decoration.
  return digest === undefined ? `${registry}/${path}:${tag}` : `${registry}/${path}@${digest}`;
}

/** The reference that names the same repository's image of that digest; undefined when `text` is no reference. */
export function referenceAtDigest(text: string, digest: string): string | undefined {
  const parsed = parseImageReference(text);
  return parsed && `${parsed.name}@${digest}`;
}

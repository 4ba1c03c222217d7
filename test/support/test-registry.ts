/**
 * A registry on loopback with one small image under any name, that can want a password, be slow, cut a layer, or answer with any error, and whose
 * tag can be moved. Engines trust loopback without TLS.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { systemClock } from '#lib/clock.ts';
import { archiveOf, type ArchiveEntry } from '../../sample/archive.ts';

export interface TestRegistry {
  /** `host:port`. */
  address: string;
  /** Everything is there under any name; only this tag exists. */
  tag: string;
  /** Of the manifest that the tag names now. */
  readonly digest: string;
  requests: string[];
  /** Moves the tag to an image of other content; the one before stays, under its digest. */
  push(content: string): Promise<void>;
  /** From now on, and nothing that was said before. */
  behave(behaviour: RegistryBehaviour): void;
  close(): Promise<void>;
}

export interface RegistryBehaviour {
  /** Answers each request for a manifest with this status and code instead. */
  manifestError?: { status: number; code: string; message: string };
  /** Sends the layer's first half and then nothing more. */
  stallsInLayer?: boolean;
  /** Breaks the connection in the middle of the layer, so many times. */
  cutsInLayer?: number;
  /** Sends a layer no faster. */
  bytesPerSecond?: number;
  /** Who may have a repository, by its path; of a registry that has several owners. */
  logins?: Readonly<Record<string, Login>>;
  /** The tag names a list of manifests with nothing for any real machine. */
  isForAnotherMachine?: boolean;
}

export interface Login {
  username: string;
  password: string;
}

export interface TestRegistryOptions extends RegistryBehaviour {
  password?: Login;
  /** In the image besides a file with its content. */
  entries?: readonly ArchiveEntry[];
  /** Of the machine, for engines that are not in its network; loopback by default. */
  host?: string;
}

interface Blob {
  digest: string;
  content: Buffer;
  type: string;
}

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';
const manifestListType = 'application/vnd.docker.distribution.manifest.list.v2+json';
const tag = '1';
const slowStepsPerSecond = 4;

/** `content` tells images of different tests apart. */
export async function startTestRegistry(content: string, options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const { password, entries = [], host = '127.0.0.1', ...initially } = options;
  const manifests = new Map<string, Blob>();
  const blobs = new Map<string, Blob>();
  let current = '';
  let behaviour: RegistryBehaviour = initially;
  let cuts = 0;
  const requests: string[] = [];

  async function push(text: string): Promise<void> {
    const image = await imageOf(text, entries);
    for (const blob of image.blobs) blobs.set(blob.digest, blob);
    for (const manifest of [image.manifest, image.list]) manifests.set(manifest.digest, manifest);
    current = image.manifest.digest;
    manifests.set(tag, image.manifest);
    manifests.set('another-machine', image.list);
  }

  function isAllowed({ url = '', headers: { authorization } }: IncomingMessage): boolean {
    if (password !== undefined && authorization !== basic(password)) return false;
    if (behaviour.logins === undefined) return true;
    const owner = Object.entries(behaviour.logins).find(([path]) => url.startsWith(`/v2/${path}/`))?.[1];
    return owner === undefined ? authorization !== undefined : authorization === basic(owner);
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    requests.push(`${request.method} ${request.url}`);
    if (!isAllowed(request)) {
      response.setHeader('www-authenticate', 'Basic realm="test"');
      fail(response, 401, 'UNAUTHORIZED', 'authentication required');
      return;
    }
    const [, kind, reference = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(request.url ?? '') ?? [];
    if (kind === undefined) {
      response.end('{}');
      return;
    }
    if (kind === 'manifests' && behaviour.manifestError !== undefined) {
      const { status, code, message } = behaviour.manifestError;
      fail(response, status, code, message);
      return;
    }
    const wanted = reference === tag && behaviour.isForAnotherMachine === true ? 'another-machine' : reference;
    const found = (kind === 'manifests' ? manifests : blobs).get(wanted);
    if (found === undefined) {
      fail(response, 404, kind === 'manifests' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN', `${kind} unknown`);
      return;
    }
    const { type, digest, content: whole } = found;
    // An engine goes on where a broken connection ended.
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const rest = whole.subarray(from);
    response.writeHead(from === 0 ? 200 : 206, {
      'content-type': type,
      'content-length': rest.length,
      'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}`,
      'docker-content-digest': digest,
    });
    if (request.method === 'HEAD') response.end();
    else if (type.includes('rootfs')) await sendLayer(response, rest);
    else response.end(rest);
  }

  async function sendLayer(response: ServerResponse, layer: Buffer): Promise<void> {
    const half = layer.subarray(0, layer.length / 2);
    if (behaviour.stallsInLayer === true) {
      response.write(half);
    } else if (cuts < (behaviour.cutsInLayer ?? 0)) {
      cuts++;
      response.write(half, () => response.destroy());
    } else if (behaviour.bytesPerSecond !== undefined) {
      const step = Math.ceil(behaviour.bytesPerSecond / slowStepsPerSecond);
      for (let from = 0; from < layer.length && !response.destroyed; from += step) {
        response.write(layer.subarray(from, from + step));
        await systemClock.sleep(1000 / slowStepsPerSecond);
      }
      response.end();
    } else response.end(layer);
  }

  await push(content);
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `${host}:${port}`,
    tag,
    get digest() {
      return current;
    },
    requests,
    push,
    behave(next) {
      behaviour = next;
      cuts = 0;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function imageOf(
  content: string,
  entries: readonly ArchiveEntry[],
): Promise<{ manifest: Blob; list: Blob; blobs: Blob[] }> {
  const own: ArchiveEntry = { kind: 'file', path: 'content', mode: 0o644, content };
  const archive = Buffer.concat(await Array.fromAsync(archiveOf([...entries, own])));
  const layer = blobOf(gzipSync(archive), 'application/vnd.docker.image.rootfs.diff.tar.gzip');
  const config = blobOf(
    Buffer.from(
      JSON.stringify({
        architecture: process.arch === 'x64' ? 'amd64' : process.arch,
        os: 'linux',
        config: { Labels: { content }, Env: ['PATH=/bin'] },
        rootfs: { type: 'layers', diff_ids: [digestOf(archive)] },
        history: [{ created: '2026-01-01T00:00:00Z' }],
      }),
    ),
    'application/vnd.docker.container.image.v1+json',
  );
  const described = (blob: Blob) => ({ mediaType: blob.type, size: blob.content.length, digest: blob.digest });
  const body = { schemaVersion: 2, mediaType: manifestType, config: described(config), layers: [described(layer)] };
  const manifest = blobOf(Buffer.from(JSON.stringify(body)), manifestType);
  const elsewhere = { ...described(manifest), platform: { architecture: 'vax', os: 'linux' } };
  const listed = { schemaVersion: 2, mediaType: manifestListType, manifests: [elsewhere] };
  return { manifest, list: blobOf(Buffer.from(JSON.stringify(listed)), manifestListType), blobs: [layer, config] };
}

function blobOf(content: Buffer, type: string): Blob {
  return { digest: digestOf(content), content, type };
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function basic({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function fail(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

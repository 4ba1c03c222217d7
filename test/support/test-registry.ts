/** A registry on loopback with one small image, that can want a password, be slow, or answer with any error. Engines trust loopback without TLS. */
import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { archiveOf } from '../../sample/archive.ts';

export interface TestRegistry {
  /** `127.0.0.1:port`. */
  address: string;
  /** Everything is there under any name; only these tags exist. */
  tag: string;
  /** Of the manifest. */
  digest: string;
  requests: string[];
  close(): Promise<void>;
}

export interface TestRegistryOptions {
  password?: { username: string; password: string };
  /** Answers each request for a manifest with this status and code instead. */
  manifestError?: { status: number; code: string; message: string };
  /** Sends the layer's first half and then nothing more. */
  stallsInLayer?: boolean;
}

interface Blob {
  digest: string;
  content: Buffer;
  type: string;
}

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';

/** `content` tells images of different tests apart. */
export async function startTestRegistry(content: string, options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const { manifest, blobs } = await imageOf(content);
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (options.password !== undefined && request.headers.authorization !== basic(options.password)) {
      response.setHeader('www-authenticate', 'Basic realm="test"');
      fail(response, 401, 'UNAUTHORIZED', 'authentication required');
      return;
    }
    const [, kind, reference] = /\/(manifests|blobs)\/([^/]+)$/.exec(request.url ?? '') ?? [];
    if (kind === undefined) {
      response.end('{}');
      return;
    }
    if (kind === 'manifests' && options.manifestError !== undefined) {
      const { status, code, message } = options.manifestError;
      fail(response, status, code, message);
      return;
    }
    const found =
      kind === 'manifests'
        ? [manifest].find((blob) => ['1', blob.digest].includes(reference ?? ''))
        : blobs.get(reference ?? '');
    if (found === undefined) {
      fail(response, 404, kind === 'manifests' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN', `${kind} unknown`);
      return;
    }
    response.writeHead(200, {
      'content-type': found.type,
      'content-length': found.content.length,
      'docker-content-digest': found.digest,
    });
    if (request.method === 'HEAD') response.end();
    else if (options.stallsInLayer === true && found.type.includes('rootfs')) {
      response.write(found.content.subarray(0, found.content.length / 2));
    } else response.end(found.content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    tag: '1',
    digest: manifest.digest,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function imageOf(content: string): Promise<{ manifest: Blob; blobs: Map<string, Blob> }> {
  const files = await Array.fromAsync(archiveOf([{ kind: 'file', path: 'content', mode: 0o644, content }]));
  const archive = Buffer.concat(files);
  const layer = blobOf(gzipSync(archive), 'application/vnd.docker.image.rootfs.diff.tar.gzip');
  const config = blobOf(
    Buffer.from(
      JSON.stringify({
        architecture: process.arch === 'x64' ? 'amd64' : process.arch,
        os: 'linux',
        config: { Labels: { content } },
        rootfs: { type: 'layers', diff_ids: [digestOf(archive)] },
        history: [{ created: '2026-01-01T00:00:00Z' }],
      }),
    ),
    'application/vnd.docker.container.image.v1+json',
  );
  const described = (blob: Blob) => ({ mediaType: blob.type, size: blob.content.length, digest: blob.digest });
  const manifest = { schemaVersion: 2, mediaType: manifestType, config: described(config), layers: [described(layer)] };
  return {
    manifest: blobOf(Buffer.from(JSON.stringify(manifest)), manifestType),
    blobs: new Map([layer, config].map((blob) => [blob.digest, blob])),
  };
}

function blobOf(content: Buffer, type: string): Blob {
  return { digest: digestOf(content), content, type };
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function fail(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

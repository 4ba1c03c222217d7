/** A signed GET of the control service's own endpoints (AWS Signature V4, as for every other request). */
import { Sha256 } from '@aws-crypto/sha256-js';
import { HttpRequest } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Endpoint } from './config.ts';

export async function signedGet(
  endpoint: Endpoint,
  path: string,
  query: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  const url = new URL(path, endpoint.url);
  const request = new HttpRequest({
    method: 'GET',
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query,
    headers: { host: url.host },
    ...(url.port === '' ? {} : { port: Number(url.port) }),
  });
  const signer = new SignatureV4({
    service: 'ecs',
    region: endpoint.region,
    credentials: { accessKeyId: endpoint.accessKeyId, secretAccessKey: endpoint.secretAccessKey },
    sha256: Sha256,
  });
  const signed = await signer.sign(request);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return fetch(url, { headers: signed.headers, signal });
}

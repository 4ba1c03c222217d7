/** A request that is signed as `aws` signs it (Signature V4). */
import { Sha256 } from '@aws-crypto/sha256-js';
import { HttpRequest } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Clock } from '#lib/clock.ts';

export interface SignedFetchOptions {
  readonly url: string;
  readonly key: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly clock: Pick<Clock, 'now'>;
  readonly service?: 'ecs' | 'ssm';
  /** For `X-Amz-Target`. */
  readonly target?: string;
  /** With one it is a POST. */
  readonly body?: object;
}

export async function signedFetch(options: SignedFetchOptions): Promise<Response> {
  const { url: text, key, clock, service = 'ecs', target } = options;
  const url = new URL(text);
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const method = body === undefined ? 'GET' : 'POST';
  const headers = {
    host: url.host,
    ...(body !== undefined && { 'content-type': 'application/x-amz-json-1.1' }),
    ...(target !== undefined && { 'x-amz-target': target }),
  };
  const signer = new SignatureV4({
    service,
    region: 'us-east-1',
    credentials: { ...key },
    sha256: Sha256,
  });
  const request = new HttpRequest({
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    port: Number(url.port),
    path: url.pathname,
    headers,
    ...(body !== undefined && { body }),
  });
  const signed = await signer.sign(request, { signingDate: new Date(clock.now()) });
  return fetch(url, { method, headers: signed.headers, ...(body !== undefined && { body }) });
}

/** Signed requests to the control service beside the SDK's (AWS Signature V4, as for every other): its own endpoints, and its part of Systems Manager. */
import { Sha256 } from '@aws-crypto/sha256-js';
import { HttpRequest } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';
import { ssmTargetPrefix, type SsmOperationName } from '#protocol/ssm/operations.ts';
import type { Endpoint } from './config.ts';
import { CliError } from './errors.ts';

export async function signedGet(
  endpoint: Endpoint,
  path: string,
  query: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  return signedFetch(endpoint, { method: 'GET', path, query, service: 'ecs', headers: {} }, signal);
}

export async function signedPost(
  endpoint: Endpoint,
  path: string,
  body: object,
  signal: AbortSignal,
): Promise<Response> {
  const text = JSON.stringify(body);
  return signedFetch(endpoint, { method: 'POST', path, query: {}, service: 'ecs', headers: {}, body: text }, signal);
}

/** The answer of an operation of Systems Manager. Rejects with a CliError that carries what control says. */
export async function callSsm(
  endpoint: Endpoint,
  operation: SsmOperationName,
  input: object,
  signal: AbortSignal,
): Promise<unknown> {
  const headers = { 'x-amz-target': `${ssmTargetPrefix}.${operation}`, 'content-type': 'application/x-amz-json-1.1' };
  const request = {
    method: 'POST',
    path: '/',
    query: {},
    service: 'ssm',
    headers,
    body: JSON.stringify(input),
  } as const;
  return answerOf(await signedFetch(endpoint, request, signal));
}

/** The JSON of an answer. Rejects with a CliError that carries what control says. */
export async function answerOf(response: Response): Promise<unknown> {
  const json: unknown = await response.json();
  if (response.ok) return json;
  const message = typeof json === 'object' && json !== null && 'message' in json ? String(json.message) : '';
  throw new CliError(message === '' ? `control answered ${response.status}` : message);
}

interface Request {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query: Record<string, string>;
  readonly service: 'ecs' | 'ssm';
  readonly headers: Record<string, string>;
  readonly body?: string;
}

async function signedFetch(endpoint: Endpoint, asked: Request, signal: AbortSignal): Promise<Response> {
  const { method, query, body } = asked;
  const url = new URL(asked.path, endpoint.url);
  const request = new HttpRequest({
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query,
    headers: { ...asked.headers, host: url.host },
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    ...(body === undefined ? {} : { body }),
  });
  const signer = new SignatureV4({
    service: asked.service,
    region: endpoint.region,
    credentials: { accessKeyId: endpoint.accessKeyId, secretAccessKey: endpoint.secretAccessKey },
    sha256: Sha256,
  });
  const signed = await signer.sign(request);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return fetch(url, { method, headers: signed.headers, signal, ...(body === undefined ? {} : { body }) });
}

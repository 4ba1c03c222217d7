/**
 * Verifies AWS Signature Version 4 in the form of the Authorization header.
 *
 * The signature is computed again over exactly the headers that the caller says are signed, the raw path and query, and the raw bytes of
 * the body, and compared in constant time. An unknown key takes the same steps with a secret that nobody has, so that time does not tell
 * which keys exist. The body is always part of what is signed: `UNSIGNED-PAYLOAD` is refused, since our wire may be plain HTTP.
 * Rules: "Signature Version 4 signing process" of the AWS General Reference; texts of the refusals are AWS's.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Sha256 } from '@aws-crypto/sha256-js';
import { HttpRequest } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Clock } from '#lib/clock.ts';
import { parseIsoTime, toIsoTime } from '#lib/iso-time.ts';
import {
  EcsError,
  incompleteSignature,
  missingAuthenticationToken,
  signatureExpired,
  signatureMismatch,
  signatureNotYetCurrent,
  unrecognizedClient,
} from '#protocol/ecs/errors.ts';

export interface SignedRequest {
  method: string;
  /** Path and query as they came, e.g. `/berth/v1/logs?task=…`. */
  url: string;
  /** Names and values in turn, as `http.IncomingMessage.rawHeaders` has them. */
  rawHeaders: readonly string[];
  body: Uint8Array;
}

export interface Principal {
  arn: string;
  accessKeyId: string;
}

/** A key that may sign, with whom it stands for. */
export interface SigningKey {
  accessKeyId: string;
  secretAccessKey: string;
  principalArn: string;
}

export interface VerifierOptions {
  region: string;
  /** Names of the services that are served here, as they appear in a credential scope. */
  services: readonly string[];
  clock: Clock;
  findKey(accessKeyId: string): Promise<SigningKey | undefined>;
}

/** Resolves with who signed; rejects with the EcsError that AWS would answer. */
export type Verifier = (request: SignedRequest) => Promise<Principal>;

const algorithm = 'AWS4-HMAC-SHA256';
const maximumSkewMs = 5 * 60_000;

interface Authorization {
  accessKeyId: string;
  shortDate: string;
  region: string;
  service: string;
  terminator: string;
  /** Lower case, in the order given. */
  signedHeaders: readonly string[];
  signature: string;
}

export function createVerifier({ region, services, clock, findKey }: VerifierOptions): Verifier {
  return async function verify(request) {
    const headers = joinedHeaders(request.rawHeaders);
    const authorization = parseAuthorization(headers.get('authorization'));
    const signedAt = signingTime(headers.get('x-amz-date'));
    checkScope(authorization, { region, services, longDate: signedAt.text });
    checkSkew(signedAt, clock.now());
    const key = await findKey(authorization.accessKeyId);
    const signed = signedOnly(headers, authorization.signedHeaders);
    const expected = await signatureOf(request, signed, authorization, signedAt.ms, key?.secretAccessKey);
    const matches = equalTexts(expected, authorization.signature) && payloadHashHolds(request.body, headers);
    if (key === undefined) throw unrecognizedClient();
    if (!matches) throw signatureMismatch();
    return { arn: key.principalArn, accessKeyId: key.accessKeyId };
  };
}

/** By lower-case name; repeated headers are joined with commas, as the canonical form wants them. */
function joinedHeaders(rawHeaders: readonly string[]): Map<string, string> {
  const joined = new Map<string, string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    const value = (rawHeaders[at + 1] ?? '').trim();
    const before = joined.get(name);
    joined.set(name, before === undefined ? value : `${before},${value}`);
  }
  return joined;
}

function parseAuthorization(header: string | undefined): Authorization {
  if (header === undefined || header === '') throw missingAuthenticationToken();
  if (!header.startsWith(`${algorithm} `))
    throw incompleteSignature(`Unsupported AWS 'algorithm': expected ${algorithm}.`);
  const parts = new Map<string, string>();
  for (const part of header.slice(algorithm.length + 1).split(',')) {
    const text = part.trim();
    const equals = text.indexOf('=');
    const name = text.slice(0, Math.max(equals, 0));
    if (equals <= 0 || parts.has(name)) {
      throw incompleteSignature("Authorization header is not a list of 'Credential', 'SignedHeaders' and 'Signature'.");
    }
    parts.set(name, text.slice(equals + 1));
  }
  const required = (name: string): string => {
    const value = parts.get(name);
    if (value === undefined || value === '')
      throw incompleteSignature(`Authorization header requires '${name}' parameter.`);
    return value;
  };
  const credential = required('Credential').split('/');
  const signedHeaders = required('SignedHeaders').split(';');
  const signature = required('Signature');
  if (credential.length !== 5) {
    throw incompleteSignature(
      'Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.',
    );
  }
  for (const name of ['host', 'x-amz-date']) {
    if (!signedHeaders.includes(name))
      throw incompleteSignature(`'${name}' must be a signed header in the AWS Authorization.`);
  }
  if (!/^[0-9a-f]{64}$/.test(signature)) throw signatureMismatch();
  const [accessKeyId = '', shortDate = '', region = '', service = '', terminator = ''] = credential;
  return { accessKeyId, shortDate, region, service, terminator, signedHeaders, signature };
}

interface SigningTime {
  /** Basic ISO 8601, e.g. `20261120T205400Z`. */
  text: string;
  ms: number;
}

function signingTime(header: string | undefined): SigningTime {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(header ?? '');
  const [text, year, month, day, hour, minute, second] = match ?? [];
  const ms = parseIsoTime(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (text === undefined || ms === undefined) {
    throw incompleteSignature("Date must be in ISO-8601 'basic format', in the header X-Amz-Date.");
  }
  return { text, ms };
}

function checkScope(
  { shortDate, region, service, terminator }: Authorization,
  expected: { region: string; services: readonly string[]; longDate: string },
): void {
  const problems: string[] = [];
  if (region !== expected.region)
    problems.push(`Credential should be scoped to a valid region, not '${region}': here it is '${expected.region}'.`);
  if (!expected.services.includes(service))
    problems.push(`Credential should be scoped to correct service: '${expected.services.join("', '")}'.`);
  if (terminator !== 'aws4_request')
    problems.push("Credential should be scoped with a valid terminator: 'aws4_request'.");
  if (shortDate !== expected.longDate.slice(0, 8)) {
    problems.push(
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${shortDate}'.`,
    );
  }
  if (problems.length > 0) throw new EcsError('InvalidSignatureException', problems.join(' '));
}

function checkSkew(signedAt: SigningTime, now: number): void {
  if (signedAt.ms < now - maximumSkewMs) {
    throw signatureExpired({ signedAt: signedAt.text, earliest: basicTime(now - maximumSkewMs) });
  }
  if (signedAt.ms > now + maximumSkewMs) {
    throw signatureNotYetCurrent({ signedAt: signedAt.text, latest: basicTime(now + maximumSkewMs) });
  }
}

function basicTime(ms: number): string {
  return toIsoTime(ms)
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:]/g, '');
}

function signedOnly(headers: ReadonlyMap<string, string>, names: readonly string[]): Record<string, string> {
  const signed: Record<string, string> = {};
  for (const name of names) {
    const value = headers.get(name);
    if (value === undefined) throw signatureMismatch();
    signed[name] = value;
  }
  return signed;
}

/** Signs for keys that do not exist. Nobody learns a matching signature: the answer is a refusal either way. */
const nobody = { accessKeyId: 'NOBODY', secretAccessKey: 'an access key that does not exist has this secret' };

async function signatureOf(
  request: SignedRequest,
  headers: Record<string, string>,
  { region, service, accessKeyId, signedHeaders }: Authorization,
  signedAtMs: number,
  secretAccessKey: string | undefined,
): Promise<string> {
  const signer = new SignatureV4({
    credentials: secretAccessKey === undefined ? nobody : { accessKeyId, secretAccessKey },
    region,
    service,
    sha256: Sha256,
    applyChecksum: false,
  });
  const signed = await signer.sign(canonicalInput(request, headers), {
    signingDate: signedAtMs / 1000,
    signableHeaders: new Set(signedHeaders),
  });
  return /Signature=([0-9a-f]{64})$/.exec(signed.headers['authorization'] ?? '')?.[1] ?? '';
}

function canonicalInput({ method, url, body }: SignedRequest, headers: Record<string, string>): HttpRequest {
  const questionMark = url.indexOf('?');
  const path = questionMark === -1 ? url : url.slice(0, questionMark);
  const query: Record<string, string[]> = {};
  if (questionMark !== -1) {
    for (const [name, value] of new URLSearchParams(url.slice(questionMark + 1))) (query[name] ??= []).push(value);
  }
  return new HttpRequest({ method, path, query, headers, body });
}

/** What `X-Amz-Content-Sha256` promises of the body, when it is there, signed or not. */
function payloadHashHolds(body: Uint8Array, headers: ReadonlyMap<string, string>): boolean {
  const promised = headers.get('x-amz-content-sha256');
  return promised === undefined || equalTexts(createHash('sha256').update(body).digest('hex'), promised);
}

function equalTexts(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Requests signed by the stock SDK pass, and nothing else does: every single byte that is signed counts. */
import { createHash } from 'node:crypto';
import { Sha256 } from '@aws-crypto/sha256-js';
import { ECSClient, ListClustersCommand, RegisterTaskDefinitionCommand } from '@aws-sdk/client-ecs';
import { HttpRequest, HttpResponse } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createVerifier, type SignedRequest } from '#control/api/sigv4.ts';
import { systemClock } from '#lib/clock.ts';
import { EcsError } from '#protocol/ecs/errors.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const key = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  principalArn: 'arn:aws:iam::000000000000:user/admin',
};
const principal = { arn: key.principalArn, accessKeyId: key.accessKeyId };
const clock = new ManualClock();
const verify = createVerifier({ region: 'us-east-1', services: ['ecs'], clock, findKey });

async function findKey(accessKeyId: string) {
  return accessKeyId === key.accessKeyId ? key : undefined;
}

interface SigningOptions {
  secretAccessKey?: string;
  accessKeyId?: string;
  region?: string;
  service?: string;
  atMs?: number;
  method?: string;
  path?: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: string;
  applyChecksum?: boolean;
}

async function signed(options: SigningOptions = {}): Promise<SignedRequest> {
  const { path = '/', query = {}, body = '{}', method = 'POST', atMs = clock.now() } = options;
  const signer = new SignatureV4({
    region: options.region ?? 'us-east-1',
    service: options.service ?? 'ecs',
    credentials: {
      accessKeyId: options.accessKeyId ?? key.accessKeyId,
      secretAccessKey: options.secretAccessKey ?? key.secretAccessKey,
    },
    sha256: Sha256,
    applyChecksum: options.applyChecksum ?? true,
  });
  const headers = {
    host: '127.0.0.1:4566',
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-target': 'AmazonEC2ContainerServiceV20141113.ListClusters',
    ...options.headers,
  };
  const request = new HttpRequest({ method, path, query, headers, body });
  return asReceived(await signer.sign(request, { signingDate: atMs / 1000 }));
}

function asReceived(request: {
  method: string;
  path: string;
  query?: object;
  headers: Record<string, string>;
  body?: unknown;
}): SignedRequest {
  const query = new URLSearchParams(Object.entries(request.query ?? {})).toString();
  return {
    method: request.method,
    url: query === '' ? request.path : `${request.path}?${query}`,
    rawHeaders: Object.entries(request.headers).flat(),
    body: bytesOf(request.body),
  };
}

function bytesOf(body: unknown): Buffer {
  if (ArrayBuffer.isView(body)) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return Buffer.from(typeof body === 'string' ? body : '');
}

function withHeader(request: SignedRequest, name: string, change: (value: string) => string): SignedRequest {
  const rawHeaders = [...request.rawHeaders];
  const at = rawHeaders.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === name) + 1;
  rawHeaders[at] = change(rawHeaders[at] ?? '');
  return { ...request, rawHeaders };
}

async function refusalOf(request: SignedRequest, verifier = verify): Promise<{ code: string; message: string }> {
  try {
    await verifier(request);
  } catch (error) {
    if (error instanceof EcsError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('the request was let in');
}

describe('what the stock SDK signs', () => {
  test('is let in', async () => {
    let sent: SignedRequest | undefined;
    const client = new ECSClient({
      region: 'us-east-1',
      endpoint: 'http://127.0.0.1:4566',
      credentials: key,
      requestHandler: {
        async handle(request: HttpRequest) {
          sent = asReceived(request);
          return { response: new HttpResponse({ statusCode: 200, headers: {}, body: undefined }) };
        },
      },
    });
    const verifyNow = createVerifier({ region: 'us-east-1', services: ['ecs'], clock: systemClock, findKey });
    await client.send(new ListClustersCommand({}));
    expect(sent && (await verifyNow(sent))).toEqual(principal);
    await client.send(
      new RegisterTaskDefinitionCommand({ family: 'wéb – ünïcode', containerDefinitions: [{ name: '日本' }] }),
    );
    expect(sent && (await verifyNow(sent))).toEqual(principal);
    expect(Buffer.from(sent?.body ?? []).toString()).toContain('日本');
  });
});

describe('a well signed request', () => {
  test('names its principal', async () => {
    expect(await verify(await signed())).toEqual(principal);
  });

  test('may leave the hash of its body out, as the AWS CLI does', async () => {
    expect(await verify(await signed({ applyChecksum: false }))).toEqual(principal);
  });

  test('may carry a query with spaces and several values', async () => {
    const request = await signed({
      method: 'GET',
      path: '/berth/v1/logs',
      query: { task: 'a b+c/ä', follow: 'true' },
      body: '',
    });
    expect(await verify(request)).toEqual(principal);
  });

  test('may be up to five minutes old or early', async () => {
    const minutes = 60_000;
    expect(await verify(await signed({ atMs: clock.now() - 5 * minutes }))).toEqual(principal);
    expect(await verify(await signed({ atMs: clock.now() + 5 * minutes }))).toEqual(principal);
  });

  test('may pass through proxies that add headers', async () => {
    const request = await signed();
    const rawHeaders = [...request.rawHeaders, 'X-Forwarded-For', '10.0.0.1', 'User-Agent', 'aws-cli'];
    expect(await verify({ ...request, rawHeaders })).toEqual(principal);
  });
});

describe('refused', () => {
  test('without an Authorization header', async () => {
    expect(await refusalOf({ method: 'POST', url: '/', rawHeaders: [], body: Buffer.alloc(0) })).toEqual({
      code: 'MissingAuthenticationTokenException',
      message: 'Missing Authentication Token',
    });
  });

  test('under a key nobody has', async () => {
    expect(await refusalOf(await signed({ accessKeyId: 'AKIDNOBODY' }))).toEqual({
      code: 'UnrecognizedClientException',
      message: 'The security token included in the request is invalid.',
    });
  });

  test('under a wrong secret', async () => {
    expect((await refusalOf(await signed({ secretAccessKey: 'wrong' }))).code).toBe('InvalidSignatureException');
  });

  test('six minutes later', async () => {
    const refusal = await refusalOf(await signed({ atMs: clock.now() - 6 * 60_000 }));
    expect(refusal).toEqual({
      code: 'InvalidSignatureException',
      message: 'Signature expired: 20251231T235400Z is now earlier than 20251231T235500Z',
    });
  });

  test('six minutes early', async () => {
    const refusal = await refusalOf(await signed({ atMs: clock.now() + 6 * 60_000 }));
    expect(refusal.message).toBe('Signature not yet current: 20260101T000600Z is still later than 20260101T000500Z');
  });

  test('for another region or service', async () => {
    expect((await refusalOf(await signed({ region: 'eu-west-1' }))).message).toContain("not 'eu-west-1'");
    expect((await refusalOf(await signed({ service: 's3' }))).message).toContain("correct service: 'ecs'");
  });

  test('with a body that is not signed', async () => {
    const request = await signed({ headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } });
    expect((await refusalOf(request)).code).toBe('InvalidSignatureException');
  });

  test.each([
    ['Bearer abc', "Unsupported AWS 'algorithm': expected AWS4-HMAC-SHA256."],
    [
      'AWS4-HMAC-SHA256 nonsense',
      "Authorization header is not a list of 'Credential', 'SignedHeaders' and 'Signature'.",
    ],
    ['AWS4-HMAC-SHA256 Credential=a/b/c/d/e, Signature=0', "Authorization header requires 'SignedHeaders' parameter."],
    [
      'AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x-amz-date, Signature=0',
      'Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.',
    ],
    [
      'AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=x-amz-date, Signature=0',
      "'host' must be a signed header in the AWS Authorization.",
    ],
  ])('with the header %s', async (header, message) => {
    const request = withHeader(await signed(), 'authorization', () => header);
    expect(await refusalOf(request)).toEqual({ code: 'IncompleteSignatureException', message });
  });

  test('with a date that is none', async () => {
    const request = withHeader(await signed(), 'x-amz-date', () => 'yesterday');
    expect((await refusalOf(request)).code).toBe('IncompleteSignatureException');
  });
});

describe('one changed byte', () => {
  const changedAt = (text: string, at: number, by: number): string => {
    const index = at % text.length;
    const code = 33 + ((text.charCodeAt(index) - 33 + by) % 94);
    return text.slice(0, index) + String.fromCharCode(code) + text.slice(index + 1);
  };
  const place = fc.nat(10_000);
  const shift = fc.integer({ min: 1, max: 93 });

  test.each(['authorization', 'host', 'content-type', 'x-amz-target', 'x-amz-date', 'x-amz-content-sha256'])(
    'of the header %s is refused',
    async (name) => {
      const request = await signed({ body: '{"cluster":"default"}' });
      await fc.assert(
        fc.asyncProperty(place, shift, async (at, by) => {
          await refusalOf(withHeader(request, name, (value) => changedAt(value, at, by)));
        }),
        { numRuns: 60 },
      );
    },
  );

  test('of the body is refused, whether its hash was sent or not', async () => {
    for (const applyChecksum of [true, false]) {
      const request = await signed({ body: '{"cluster":"default"}', applyChecksum });
      await fc.assert(
        fc.asyncProperty(place, shift, async (at, by) => {
          const body = Buffer.from(changedAt(Buffer.from(request.body).toString(), at, by));
          expect((await refusalOf({ ...request, body })).code).toBe('InvalidSignatureException');
        }),
        { numRuns: 60 },
      );
    }
  });

  test('of the path or the query is refused', async () => {
    const request = await signed({
      method: 'GET',
      path: '/berth/v1/logs',
      query: { task: 'abc', tail: '10' },
      body: '',
    });
    await fc.assert(
      fc.asyncProperty(fc.nat(100), fc.constantFrom('x', 'y', '0', '~'), async (at, letter) => {
        const index = 1 + (at % (request.url.length - 1));
        fc.pre(/[a-z0-9]/.test(request.url[index] ?? '') && request.url[index] !== letter);
        const url = request.url.slice(0, index) + letter + request.url.slice(index + 1);
        expect((await refusalOf({ ...request, url })).code).toBe('InvalidSignatureException');
      }),
      { numRuns: 80 },
    );
  });

  test('a method changed on the way is refused', async () => {
    expect((await refusalOf({ ...(await signed()), method: 'PUT' })).code).toBe('InvalidSignatureException');
  });

  test('a body swapped together with its hash is refused', async () => {
    const request = await signed({ body: '{"cluster":"a"}' });
    const body = Buffer.from('{"cluster":"b"}');
    const hash = createHash('sha256').update(body).digest('hex');
    const swapped = withHeader({ ...request, body }, 'x-amz-content-sha256', () => hash);
    expect((await refusalOf(swapped)).code).toBe('InvalidSignatureException');
  });
});

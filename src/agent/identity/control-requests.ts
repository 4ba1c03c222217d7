/**
 * Requests to control over TLS 1.3, for a certificate. Control is known by the given authorities and by no others; only the very first request of a machine that joins, which is
 * for the authority itself, does without. Answers are bounded in size and time.
 */
import { request } from 'node:https';
import type { Clock } from '#lib/clock.ts';
import { deadline } from '#lib/clock.ts';
import { parseText } from '#protocol/parse-text.ts';
import { TrustRefusal } from '#protocol/trust/messages.ts';
import type { z } from 'zod';

export interface Credentials {
  /** PEM. */
  readonly ca: string;
  readonly key?: string;
  readonly cert?: string;
}

/** Control answered, and gives no certificate. */
export class TrustRefusedError extends Error {
  override readonly name = 'TrustRefusedError';
  /** One of `refusalCodes`. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const limitMs = 30_000;
const maximumBytes = 64 * 1024;

/** The bytes at an address whose server is not known yet: they prove nothing until they are compared. */
export async function getUnverified(url: string, clock: Clock): Promise<Buffer> {
  const { status, body } = await ask(url, { method: 'GET', rejectUnauthorized: false }, clock);
  if (status !== 200) throw new Error(`${url} answered ${status}`);
  return body;
}

/** Rejects with a TrustRefusedError when control refuses. */
export async function post<T>(
  url: string,
  { body, credentials, schema }: { body: object; credentials: Credentials; schema: z.ZodType<T> },
  clock: Clock,
): Promise<T> {
  const answer = await ask(url, { method: 'POST', ...credentials, body: JSON.stringify(body) }, clock);
  const text = answer.body.toString();
  if (answer.status !== 200) {
    const refusal = parseText(TrustRefusal, text);
    if (!refusal.ok) throw new Error(`${url} answered ${answer.status}`);
    throw new TrustRefusedError(refusal.message.code, refusal.message.message);
  }
  const parsed = parseText(schema, text);
  if (!parsed.ok) throw new Error(`${url} answered what this version does not understand: ${parsed.problem}`);
  return parsed.message;
}

interface Question extends Partial<Credentials> {
  readonly method: 'GET' | 'POST';
  readonly rejectUnauthorized?: boolean;
  readonly body?: string;
}

async function ask(
  url: string,
  { body, ...options }: Question,
  clock: Clock,
): Promise<{ status: number; body: Buffer }> {
  const giveUp = new AbortController();
  const answer = new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const asked = request(
      url,
      { ...options, headers, minVersion: 'TLSv1.3', agent: false, signal: giveUp.signal },
      (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length > maximumBytes) asked.destroy(new Error(`${url} answered more than ${maximumBytes} bytes`));
          else chunks.push(chunk);
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
        response.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
  try {
    return await deadline(clock, limitMs, `the answer of ${url}`, answer);
  } catch (error) {
    giveUp.abort();
    answer.catch(() => undefined);
    throw explained(error, url);
  }
}

function explained(error: unknown, url: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const host = new URL(url).hostname;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return new Error(`control’s certificate does not name ${host}: add it to BERTH_TLS_NAMES of control`, {
      cause: error,
    });
  }
  if (code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED') {
    return new Error(`control’s certificate is not valid at this machine’s time: is the clock right?`, {
      cause: error,
    });
  }
  return error;
}

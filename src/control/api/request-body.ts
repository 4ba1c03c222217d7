/**
 * Reads the body of a request up to a limit. What is longer is still read, and thrown away, up to a second limit: a client that is refused in the
 * middle of its sending sees a broken connection instead of the answer.
 */
import type { Readable } from 'node:stream';
import { requestEntityTooLarge, serialization } from '#protocol/ecs/errors.ts';

/** Nobody sends more than this by mistake. */
const drainLimitBytes = 32 * 1024 * 1024;

/** Rejects with an EcsError: too large, or broken off. */
export async function readBody(payload: Readable, limitBytes: number): Promise<Buffer> {
  const kept: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of payload as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length <= limitBytes) kept.push(chunk);
      else kept.length = 0;
      if (length > drainLimitBytes) break;
    }
  } catch (error) {
    throw serialization('The request body broke off.', error);
  }
  if (length > limitBytes) throw requestEntityTooLarge(limitBytes);
  return Buffer.concat(kept);
}

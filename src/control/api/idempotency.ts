/**
 * A client token makes a repeated request the same request: it answers what the first one made and does nothing. The same token with
 * another request is a ConflictException. Records live in the transaction that does the work, so both are durable or neither is.
 */
import { createHash } from 'node:crypto';
import { clientTokenReused } from '#protocol/ecs/errors.ts';
import type { StoreTransaction } from '../store/store.ts';

/** ECS remembers a token for 24 hours. */
export const tokenLifetimeMs = 24 * 60 * 60 * 1000;

export interface IdempotentRequest {
  /** Operation and cluster, e.g. `RunTask default`. */
  scope: string;
  /** Absent: every request is a new one. */
  clientToken: string | undefined;
  /** The parsed input. */
  input: object;
  now: number;
}

export interface IdempotentWork<T> {
  /** Does the work; `resources` are the ARNs it made. Nothing is remembered when it made none. */
  perform(): Promise<{ answer: T; resources: readonly string[] }>;
  /** Answers anew from what was made then. */
  replay(resources: readonly string[]): Promise<T>;
}

export async function idempotently<T>(
  tx: StoreTransaction,
  { scope, clientToken, input, now }: IdempotentRequest,
  { perform, replay }: IdempotentWork<T>,
): Promise<T> {
  if (clientToken === undefined) return (await perform()).answer;
  const requestHash = hashOf(input);
  const known = await tx.idempotency.get(scope, clientToken);
  if (known !== undefined && known.expiresAt > now) {
    if (known.requestHash !== requestHash) throw clientTokenReused(known.resources);
    return replay(known.resources);
  }
  const { answer, resources } = await perform();
  if (resources.length > 0) {
    await tx.idempotency.put({
      scope,
      clientToken,
      requestHash,
      resources,
      createdAt: now,
      expiresAt: now + tokenLifetimeMs,
    });
  }
  return answer;
}

/** The same for two requests that differ only in the order of their fields and in the token. */
function hashOf(input: object): string {
  return createHash('sha256')
    .update(canonicalJson({ ...input, clientToken: undefined }))
    .digest('hex');
}

/** JSON with the members of objects in the order of their names, absent and undefined alike. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
  return `{${members.join(',')}}`;
}

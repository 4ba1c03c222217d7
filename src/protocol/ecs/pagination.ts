/**
 * The opaque `nextToken` of every list: where the next page begins, bound to the request that began the list, so that a token
 * cannot be carried over to another cluster or another filter.
 */
import { z } from 'zod';
import { type EcsError, invalidParameter } from './errors.ts';

const content = z.strictObject({ after: z.string(), filters: z.string() });

/** `after` is the sort key of the last item of this page; `filters` is whatever chose the items (operation, cluster, status …). */
export function nextToken(after: string, filters: unknown): string {
  return Buffer.from(JSON.stringify({ after, filters: fingerprint(filters) })).toString('base64url');
}

/** The `after` of the token, or undefined for the first page. Throws InvalidParameterException for a token that is not ours. */
export function pageStart(token: string | undefined, filters: unknown): string | undefined {
  if (token === undefined || token === '') return undefined;
  const parsed = content.safeParse(decoded(token));
  if (!parsed.success || parsed.data.filters !== fingerprint(filters)) throw badToken();
  return parsed.data.after;
}

function badToken(cause?: unknown): EcsError {
  return invalidParameter('Invalid nextToken: this list did not give it out for this request.', cause);
}

function decoded(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch (error) {
    throw badToken(error);
  }
}

/** FNV-1a over the JSON of `filters` with its members in order. It tells requests apart; it protects nothing. */
function fingerprint(filters: unknown): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(JSON.stringify(filters, membersInOrder) ?? '')) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return (hash >>> 0).toString(16);
}

function membersInOrder(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** One page of a list, by ECS's rules: at most 100 items, and an opaque token that only fits the request that began the list. */
import { nextToken, pageStart } from '#protocol/ecs/pagination.ts';
import type { Page, PageRequest } from '../store/store.ts';

interface PagedInput {
  nextToken?: string;
  maxResults?: number;
}

export const defaultPageSize = 100;

/** `filters` is whatever chooses the items besides the page itself, the operation included. */
export async function paged<T>(
  input: PagedInput,
  filters: unknown,
  load: (page: PageRequest) => Promise<Page<T>>,
): Promise<{ items: T[]; token: { nextToken?: string } }> {
  const after = pageStart(input.nextToken, filters);
  const limit = input.maxResults ?? defaultPageSize;
  const { items, next } = await load(after === undefined ? { limit } : { after, limit });
  return { items, token: next === undefined ? {} : { nextToken: nextToken(next, filters) } };
}

/** A page of a list that is in memory as a whole; `keyOf` gives distinct keys. */
export function pageOf<T>(all: readonly T[], keyOf: (item: T) => string, { after, limit }: PageRequest): Page<T> {
  const ordered = all.toSorted((a, b) => compareTexts(keyOf(a), keyOf(b)));
  const rest = after === undefined ? ordered : ordered.filter((item) => compareTexts(keyOf(item), after) > 0);
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  return rest.length > limit && last !== undefined ? { items, next: keyOf(last) } : { items };
}

/** All items of a list of the store, page by page. For lists that their filter bounds. */
export async function everyPage<T>(load: (page: PageRequest) => Promise<Page<T>>): Promise<T[]> {
  const all: T[] = [];
  let after: string | undefined;
  do {
    const page: Page<T> = await load(after === undefined ? { limit: 1000 } : { after, limit: 1000 });
    all.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return all;
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** A token leads to the next page of its own list and to nothing else. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EcsError } from '#protocol/ecs/errors.ts';
import { nextToken, pageStart } from '#protocol/ecs/pagination.ts';

const filters = { operation: 'ListTasks', cluster: 'default', desiredStatus: 'RUNNING' };

function refusalOf(token: string, others: unknown = filters): unknown {
  try {
    return pageStart(token, others);
  } catch (error) {
    return error instanceof EcsError ? error.code : error;
  }
}

describe('nextToken', () => {
  it('comes back as the key it was made of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 2 }), (after, anyFilters) => {
        const token = nextToken(after, anyFilters);
        expect(token).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(pageStart(token, anyFilters)).toBe(after);
      }),
    );
  });

  it('does not depend on the order in which the filters were written', () => {
    const token = nextToken('task/9', { cluster: 'default', operation: 'ListTasks', desiredStatus: 'RUNNING' });
    expect(pageStart(token, filters)).toBe('task/9');
  });

  it('is not needed for the first page', () => {
    expect(pageStart(undefined, filters)).toBeUndefined();
  });

  it('is refused by a list with other filters', () => {
    expect(refusalOf(nextToken('task/9', filters), { ...filters, cluster: 'other' })).toBe('InvalidParameterException');
  });

  it('is refused when it is not one', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(text !== '');
        expect(refusalOf(text)).toBe('InvalidParameterException');
      }),
    );
    expect(refusalOf(Buffer.from('{"after":1}').toString('base64url'))).toBe('InvalidParameterException');
  });
});

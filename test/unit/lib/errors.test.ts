import { describe, expect, it } from 'vitest';
import { messageOf, TimeoutError } from '#lib/errors.ts';
import { parseIsoTime, toIsoTime } from '#lib/iso-time.ts';

describe('the message of what was thrown', () => {
  it('tells the whole chain of causes', () => {
    const error = new Error('cannot start', { cause: new Error('pull failed', { cause: 'no route' }) });
    expect(messageOf(error)).toBe('cannot start: pull failed: no route');
    expect(messageOf('just text')).toBe('just text');
  });

  it('names what timed out', () => {
    expect(new TimeoutError('starting dockerd', 2500).message).toBe('starting dockerd took longer than 2.5 s');
  });
});

describe('ISO time', () => {
  it('survives the round trip, and reads the nanoseconds that Docker writes', () => {
    expect(toIsoTime(1_700_000_000_000)).toBe('2023-11-14T22:13:20.000Z');
    expect(parseIsoTime('2023-11-14T22:13:20.123456789Z')).toBe(1_700_000_000_123);
    expect(parseIsoTime('yesterday')).toBeUndefined();
  });
});

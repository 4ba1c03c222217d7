import { describe, expect, it } from 'vitest';
import { agentHealth } from '#agent/health/agent-health.ts';
import { diskVerdict, initialCheck, memoryVerdict, nextCheck, stallOf, type Verdict } from '#agent/health/pressure.ts';

const good: Verdict = { level: 'good' };
const edge: Verdict = { level: 'edge' };
const unknown: Verdict = { level: 'unknown' };
const bad: Verdict = { level: 'bad', reason: 'full' };

function statuses(...verdicts: Verdict[]): string[] {
  let check = initialCheck;
  return verdicts.map((verdict) => (check = nextCheck(check, verdict)).status);
}

describe('a check', () => {
  it('is impaired by the second bad look, and not by one alone', () => {
    expect(statuses(bad, bad)).toEqual(['OK', 'IMPAIRED']);
    expect(statuses(good, bad, good, bad)).toEqual(['OK', 'OK', 'OK', 'OK']);
  });

  it('recovers with the third good look in a row', () => {
    expect(statuses(bad, bad, good, good, good)).toEqual(['OK', 'IMPAIRED', 'IMPAIRED', 'IMPAIRED', 'OK']);
    expect(statuses(bad, bad, good, good, bad, good, good).at(-1)).toBe('IMPAIRED');
  });

  it('stays what it was at the edge and when nobody could look', () => {
    expect(statuses(bad, bad, edge, edge, edge, edge).at(-1)).toBe('IMPAIRED');
    expect(statuses(bad, bad, unknown, unknown, unknown).at(-1)).toBe('IMPAIRED');
    expect(statuses(good, unknown, edge)).toEqual(['OK', 'OK', 'OK']);
    expect(statuses(unknown, unknown)).toEqual(['INSUFFICIENT_DATA', 'INSUFFICIENT_DATA']);
  });

  it('keeps the words of its first cause, so that its report does not change with every look', () => {
    let check = initialCheck;
    for (const reason of ['first', 'second', 'third']) check = nextCheck(check, { level: 'bad', reason });
    expect(check.reason).toBe('second');
  });
});

const mebibyte = 1024 * 1024;
const gibibyte = 1024 * mebibyte;

describe('a disk', () => {
  const verdict = (freeBytes: number, totalBytes: number) =>
    diskVerdict({ freeBytes, totalBytes }, gibibyte, 'the disk');

  it('is full below the least that shall be free, and empty enough a quarter above it', () => {
    expect(verdict(gibibyte - 1, 100 * gibibyte)).toMatchObject({
      level: 'bad',
      reason: 'the disk is full: 1023 MiB of 102400 MiB free',
    });
    expect(verdict(gibibyte, 100 * gibibyte).level).toBe('edge');
    expect(verdict(1.25 * gibibyte, 100 * gibibyte).level).toBe('good');
  });

  it('is not full because it is small', () => {
    expect(verdict(100 * mebibyte, 200 * mebibyte).level).toBe('good');
    expect(verdict(9 * mebibyte, 200 * mebibyte).level).toBe('bad');
  });

  it('is full without inodes', () => {
    const room = { freeBytes: gibibyte, totalBytes: 2 * gibibyte, totalEntries: 1000 };
    expect(diskVerdict({ ...room, freeEntries: 9 }, mebibyte, 'the disk')).toMatchObject({
      reason: 'the disk is full: 9 of 1000 inodes free',
    });
    expect(diskVerdict({ ...room, freeEntries: 13 }, mebibyte, 'the disk').level).toBe('good');
  });
});

describe('memory', () => {
  const limits = { minimumBytes: 100 * mebibyte, maximumStall: 40 };
  const verdict = (freeMiB: number, stall?: number) =>
    memoryVerdict({ freeBytes: freeMiB * mebibyte, totalBytes: 8 * gibibyte }, stall, limits);

  it('is short when little is available or programs wait for it', () => {
    expect(verdict(99)).toMatchObject({ reason: 'memory is short: 99 MiB of 8192 MiB available' });
    expect(verdict(4000, 41)).toMatchObject({ level: 'bad' });
    expect(verdict(4000, 39).level).toBe('edge');
    expect(verdict(4000, 30).level).toBe('good');
    expect(verdict(110).level).toBe('edge');
    expect(verdict(126).level).toBe('good');
  });

  it('pressure is read where the kernel tells it', () => {
    const text =
      'some avg10=0.10 avg60=1.00 avg300=0.00 total=27855\nfull avg10=0.00 avg60=12.34 avg300=0.00 total=847\n';
    expect(stallOf(text)).toBe(12.34);
    expect(stallOf('')).toBeUndefined();
  });
});

describe('the health of a machine', () => {
  it('is that of its worst check, with every reason', () => {
    const machine = [{ type: 'MEMORY_PRESSURE', status: 'IMPAIRED', reason: 'memory is short' } as const];
    expect(agentHealth({ engine: 'the engine is silent' }, machine)).toEqual({
      status: 'IMPAIRED',
      reason: 'the engine is silent; memory is short',
      details: [
        { type: 'CONTAINER_RUNTIME', status: 'IMPAIRED', reason: 'the engine is silent' },
        { type: 'AGENT_JOURNAL', status: 'OK' },
        ...machine,
      ],
    });
  });

  it('is good while a check has not looked yet, or cannot', () => {
    const machine = [
      { type: 'MEMORY_PRESSURE', status: 'INITIALIZING' },
      { type: 'ENGINE_DISK_PRESSURE', status: 'INSUFFICIENT_DATA' },
    ] as const;
    expect(agentHealth({}, machine).status).toBe('OK');
  });
});

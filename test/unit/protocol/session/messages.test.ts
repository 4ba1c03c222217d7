/** Parsing at the edge, and what a close frame can carry. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aHello } from '#test/support/fake-agent.ts';
import { fitReason } from '#protocol/session/close-codes.ts';
import { offeredVersions, parseAgentMessage, parseControlMessage } from '#protocol/session/messages.ts';

describe('parsing', () => {
  it('gives back what was sent, without fields that it does not know', () => {
    const hello = aHello();
    expect(parseAgentMessage(JSON.stringify({ ...hello, novelty: 1 }))).toEqual({ ok: true, message: hello });
  });

  it('names the field that is wrong', () => {
    const text = JSON.stringify({
      ...aHello(),
      resources: { cpu: 'banana', memoryMiB: 1, takenPorts: [], gpuIds: [] },
    });
    expect(parseAgentMessage(text)).toMatchObject({ ok: false, problem: expect.stringMatching(/^resources\.cpu: /) });
  });

  it('of any text at all is an answer, never an exception', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
        expect(parseAgentMessage(text).ok).toBe(false);
        expect(parseControlMessage(text).ok).toBe(false);
      }),
    );
  });

  it('finds the versions in a hello of any shape', () => {
    expect(offeredVersions('{"type":"hello","protocolVersions":[2,3],"x":{}}')).toEqual([2, 3]);
    expect(offeredVersions('{"type":"heartbeat"}')).toBeUndefined();
  });
});

describe('the reason of a close', () => {
  it('that fits stays as it is', () => {
    expect(fitReason('gone')).toBe('gone');
  });

  it('is never longer than a close frame carries, and stays text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (reason) => {
        const fitted = fitReason(reason);
        expect(Buffer.byteLength(fitted)).toBeLessThanOrEqual(123);
        // Half a character would be read as this one; a reason may have it of its own.
        if (!reason.includes('\uFFFD')) expect(fitted).not.toContain('\uFFFD');
      }),
    );
  });
});

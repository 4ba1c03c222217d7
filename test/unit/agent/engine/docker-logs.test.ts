import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { linesOf, logEntriesOf, longestLogText } from '#agent/engine/docker-logs.ts';

const time = '2026-01-02T03:04:05.678901234Z';
const at = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

function frame(stream: 1 | 2, text: string): Buffer {
  const body = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

async function* chunked(bytes: Buffer, sizes: readonly number[] = [bytes.length]): AsyncGenerator<Buffer> {
  let offset = 0;
  for (let n = 0; offset < bytes.length; n++) {
    const size = Math.max(1, sizes[n % sizes.length] ?? bytes.length);
    yield bytes.subarray(offset, offset + size);
    offset += size;
  }
}

const sizesOfChunks = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 });

describe('framed logs', () => {
  test('come out the same however the bytes are cut', async () => {
    const bytes = Buffer.concat([frame(1, `${time} grün\n`), frame(2, `${time} rot\r\n`), frame(1, `${time} \n`)]);
    await fc.assert(
      fc.asyncProperty(sizesOfChunks, async (sizes) => {
        expect(await Array.fromAsync(logEntriesOf(chunked(bytes, sizes), { terminal: false }))).toEqual([
          { stream: 'stdout', at, text: 'grün' },
          { stream: 'stderr', at, text: 'rot' },
          { stream: 'stdout', at, text: '' },
        ]);
      }),
    );
  });

  test('of a line that the engine cut are joined, per stream', async () => {
    const bytes = Buffer.concat([
      frame(1, `${time} be`),
      frame(2, `${time} other\n`),
      frame(1, `${time} gun\n`),
      frame(1, `${time} end`),
    ]);
    const entries = await Array.fromAsync(logEntriesOf(chunked(bytes), { terminal: false }));
    expect(entries.map(({ text }) => text)).toEqual(['other', 'begun', 'end']);
  });

  test('of an endless line come in pieces', async () => {
    const piece = frame(1, `${time} ${'x'.repeat(16_384)}`);
    const bytes = Buffer.concat(Array.from({ length: 9 }, () => piece));
    const entries = await Array.fromAsync(logEntriesOf(chunked(bytes), { terminal: false }));
    expect(Math.max(...entries.map(({ text }) => text.length))).toBeLessThan(2 * longestLogText);
    expect(entries.length).toBeGreaterThan(1);
  });
});

test('logs of a terminal are lines of stdout', async () => {
  const bytes = Buffer.from(`${time} one\r\n${time} two\r\n`);
  expect(await Array.fromAsync(logEntriesOf(chunked(bytes, [7]), { terminal: true }))).toEqual([
    { stream: 'stdout', at, text: 'one' },
    { stream: 'stdout', at, text: 'two' },
  ]);
});

test('lines come out the same however the bytes are cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\n', ''))),
      sizesOfChunks,
      async (lines, sizes) => {
        const text = lines.map((line) => `${line}\n`).join('');
        expect(await Array.fromAsync(linesOf(chunked(Buffer.from(text), sizes)))).toEqual(lines);
      },
    ),
  );
});

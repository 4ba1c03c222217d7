/** The stream of a backup: one at a time, and whatever becomes of its reader, the database's connection is given back. */
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createBackupDoor } from '#control/api/backup.ts';
import { silentLogger } from '#lib/logger.ts';

interface Source {
  open(): Promise<AsyncGenerator<string>>;
  closed: number;
}

function aSource(chunks: () => AsyncGenerator<string>): Source {
  const source: Source = {
    closed: 0,
    open: () =>
      Promise.resolve(
        (async function* () {
          try {
            yield* chunks();
          } finally {
            source.closed += 1;
          }
        })(),
      ),
  };
  return source;
}

async function* lines(): AsyncGenerator<string> {
  yield 'one\n';
  yield 'two\n';
}

async function read(stream: AsyncIterable<Buffer>): Promise<string> {
  return gunzipSync(Buffer.concat(await Array.fromAsync(stream))).toString();
}

function destroyed(stream: Readable): boolean {
  return stream.destroy().destroyed;
}

describe('a backup', () => {
  test('is one packed stream of its lines', async () => {
    const source = aSource(lines);
    expect(await read(await createBackupDoor(() => source.open(), silentLogger).open())).toBe('one\ntwo\n');
    expect(source.closed).toBe(1);
  });

  test('is refused while another is made, and possible again after it', async () => {
    const door = createBackupDoor(() => aSource(lines).open(), silentLogger);
    const first = await door.open();
    await expect(door.open()).rejects.toMatchObject({ code: 'ConflictException' });
    await read(first);
    expect(await read(await door.open())).toBe('one\ntwo\n');
  });

  test('whose reader goes gives back what it reads from', async () => {
    const source = aSource(async function* () {
      for (;;) yield 'x'.repeat(100_000);
    });
    const door = createBackupDoor(() => source.open(), silentLogger);
    const stream = await door.open();
    await once(stream, 'readable');
    stream.destroy();
    await once(stream, 'close');
    await expect.poll(() => source.closed).toBe(1);
    await expect.poll(() => door.open().then(destroyed, () => false)).toBe(true);
  });

  test('that cannot be begun leaves the door open', async () => {
    const door = createBackupDoor(() => Promise.reject(new Error('no database')), silentLogger);
    for (const _ of [1, 2]) await expect(door.open()).rejects.toThrow('no database');
  });

  test('that breaks off is no whole file', async () => {
    const source = aSource(async function* () {
      yield 'one\n';
      throw new Error('the database is gone');
    });
    await expect(read(await createBackupDoor(() => source.open(), silentLogger).open())).rejects.toThrow('is gone');
  });
});

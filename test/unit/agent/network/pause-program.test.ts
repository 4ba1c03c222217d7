/** The program of pause containers as an executable: it waits, and it ends when told. That it reaps is seen in a shared pid namespace (test/e2e/awsvpc). */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pauseArchitectures, pauseProgram } from '#agent/network/pause-program.ts';

let folder: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-pause-'));
});
afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
  rmSync(folder, { recursive: true });
});

/** It sleeps only where it waits for its signals. */
async function untilWaiting({ pid }: ChildProcess): Promise<void> {
  for (;;) {
    if (/^Name:\tpause\n[^]*^State:\tS/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return;
    await new Promise((resolve) => void setImmediate(resolve));
  }
}

describe('the pause program', () => {
  it.skipIf(process.arch !== 'x64').each(['SIGTERM', 'SIGINT'] as const)(
    'runs until %s, and ends with 0',
    async (name) => {
      const path = join(folder, 'pause');
      writeFileSync(path, pauseProgram('amd64'), { mode: 0o755 });
      const program = spawn(path, { stdio: 'ignore' });
      child = program;
      const ended = new Promise<unknown[]>((resolve) => void program.once('exit', (...end) => resolve(end)));
      await untilWaiting(program);

      program.kill('SIGCHLD');
      program.kill(name);

      expect(await ended).toEqual([0, null]);
    },
  );

  it.each(pauseArchitectures)('is one small static executable for %s', (architecture) => {
    const program = pauseProgram(architecture);
    expect(program.subarray(0, 7)).toEqual(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]));
    expect(program.length).toBeLessThan(400);
    // One segment that holds the whole file, entered right behind the headers.
    expect(program.readUInt16LE(56)).toBe(1);
    expect(program.readUInt32LE(96)).toBe(program.length);
    expect(program.readUInt32LE(24)).toBe(0x400000 + 120);
  });

  /** These very bytes were run on both; whoever changes them runs them again and counts up the number in the image's name. */
  it.each([
    ['amd64', '71a789d539a7fb84720660ffbd0f08d4e4dbb48ffcce17ffe44b2fb7583268ee'],
    ['arm64', 'cdbb4276d53e35264d38c45dfbf4f1b17cc4b7c7f00f34a151165436755e0e3b'],
  ] as const)('has the bytes that were tried on %s', (architecture, digest) => {
    expect(createHash('sha256').update(pauseProgram(architecture)).digest('hex')).toBe(digest);
  });
});

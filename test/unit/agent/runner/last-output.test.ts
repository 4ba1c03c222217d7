/** What is kept of the output of a container that failed. */
import { describe, expect, it } from 'vitest';
import { EngineError, type LogEntry } from '#agent/engine/container-engine.ts';
import { hasFailed, readLastOutput } from '#agent/runner/last-output.ts';
import { anAgentTask, anObservation } from '#test/support/builders/an-agent-task.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

function engineWith(lines: readonly string[]) {
  return {
    async *logs(): AsyncGenerator<LogEntry> {
      for (const text of lines) yield { stream: 'stderr', at: 0, text };
    },
  };
}

async function read(lines: readonly string[]): Promise<string[]> {
  const signal = new AbortController().signal;
  return readLastOutput('engine-id', { engine: engineWith(lines), clock: new ManualClock(), signal });
}

describe('a container has failed', () => {
  const ended = anObservation({ state: 'exited', exitCode: 1 });
  const task = anAgentTask();

  it('when it ended with an error of its own accord', () => {
    expect(hasFailed(task, 'app', ended)).toBe(true);
  });

  it('but not when it runs, ended well, or was told to stop', () => {
    expect(hasFailed(task, 'app', anObservation())).toBe(false);
    expect(hasFailed(task, 'app', { ...ended, exitCode: 0 })).toBe(false);
    const stop = { stopCode: 'UserInitiated', reason: 'enough' } as const;
    expect(hasFailed(anAgentTask({ desiredStatus: 'STOPPED', stop }), 'app', ended)).toBe(false);
  });
});

describe('its last output', () => {
  it('is its lines without their ends', async () => {
    expect(await read(['starting\n', 'no database\r\n'])).toEqual(['starting', 'no database']);
  });

  it('is at most twenty lines and two kibibytes, the newest', async () => {
    const many = Array.from({ length: 50 }, (_, n) => `line ${n}\n`);
    expect(await read(many)).toEqual(many.slice(-20).map((line) => line.trim()));
    const long = ['a'.repeat(1500), 'b'.repeat(1500)];
    expect(await read(long)).toEqual(['b'.repeat(1500)]);
  });

  it('of one endless line is the end of it, cut between characters', async () => {
    const [line = ''] = await read([`${'é'.repeat(3000)}x`]);
    expect(Buffer.byteLength(line)).toBeLessThanOrEqual(2048);
    expect(line).toMatch(/^é+x$/u);
  });

  it('is empty when the engine cannot read it', async () => {
    const engine = {
      logs: (): AsyncIterable<LogEntry> => ({
        [Symbol.asyncIterator]: () => ({
          next: async () => {
            throw new EngineError('internal', 'configured logging driver does not support reading');
          },
        }),
      }),
    };
    const signal = new AbortController().signal;
    expect(await readLastOutput('engine-id', { engine, clock: new ManualClock(), signal })).toEqual([]);
  });

  it('is not waited for when the engine does not answer', async () => {
    const clock = new ManualClock();
    const silent = {
      logs: (): AsyncIterable<LogEntry> => ({
        [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }),
      }),
    };
    const reading = readLastOutput('engine-id', { engine: silent, clock, signal: new AbortController().signal });
    await clock.advance(2000);
    expect(await reading).toEqual([]);
  });
});

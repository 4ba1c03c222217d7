/** This side of a command: input, output, terminal and exit code. docs/exec.md. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { LocalStreams } from '#cli/exec/local-streams.ts';
import { runExec, type ExecSession } from '#cli/exec/run-exec.ts';
import {
  decodeExecFrame,
  encodeExecFrame,
  execWindowBytes,
  maximumExecBytes,
  type ExecControlMessage,
} from '#protocol/exec/messages.ts';
import { createExecLinkPair, type ExecLinkPair } from '#test/support/fake-exec-link.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

/** Streams that a test types into and reads. */
class Streams implements LocalStreams {
  readonly typed: Uint8Array[] = [];
  readonly #more: (() => void)[] = [];
  ended = false;
  stdout = '';
  stderr = '';
  isTerminal = true;
  columns = 80;
  /** While set, nothing is taken. */
  stuck: Promise<void> | undefined;
  raw = false;
  #changed: () => void = () => undefined;

  type(data: string | Uint8Array): void {
    this.typed.push(Buffer.from(data));
    for (const wake of this.#more.splice(0)) wake();
  }

  end(): void {
    this.ended = true;
    for (const wake of this.#more.splice(0)) wake();
  }

  get input(): AsyncIterable<Uint8Array> {
    return this.#read();
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = this.typed.shift();
      if (next !== undefined) yield next;
      else if (this.ended) return;
      else await new Promise<void>((resolve) => this.#more.push(resolve));
    }
  }

  async write(stream: 'stdout' | 'stderr', data: Uint8Array): Promise<void> {
    await this.stuck;
    this[stream] += Buffer.from(data).toString();
  }

  size() {
    return { columns: this.columns, rows: 24 };
  }

  onResize(changed: () => void): () => void {
    this.#changed = changed;
    return () => void (this.#changed = () => undefined);
  }

  resizeTo(columns: number): void {
    this.columns = columns;
    this.#changed();
  }

  takeKeys(): () => void {
    this.raw = true;
    return () => void (this.raw = false);
  }
}

let clock: ManualClock;
let pair: ExecLinkPair;
let streams: Streams;
let said: unknown[];
let input: Buffer[];
let closed: boolean;
beforeEach(() => {
  clock = new ManualClock();
  pair = createExecLinkPair(clock);
  streams = new Streams();
  said = [];
  input = [];
  closed = false;
});

interface Running {
  outcome: { code: number } | { error: unknown } | undefined;
  abort: AbortController;
}

async function run(change: Partial<ExecSession> = {}): Promise<Running> {
  const abort = new AbortController();
  const running: Running = { outcome: undefined, abort };
  const session: ExecSession = {
    connect(client) {
      const control = {
        text: (text: string) => void said.push(JSON.parse(text)),
        binary: (frame: Uint8Array) => void input.push(Buffer.from(decodeExecFrame(frame)?.data ?? '')),
        closed: () => void (closed = true),
      };
      pair.attach({ client, control });
      return Promise.resolve(pair.clientEnd);
    },
    token: 'token-1',
    interactive: true,
    streams,
    clock,
    signal: abort.signal,
    ...change,
  };
  runExec(session).then(
    (code) => (running.outcome = { code }),
    (error: unknown) => (running.outcome = { error }),
  );
  await clock.advance(0);
  return running;
}

async function tell(...messages: ExecControlMessage[]): Promise<void> {
  for (const message of messages) pair.controlEnd.sendText(JSON.stringify(message));
  await clock.advance(0);
}

async function print(stream: 'stdout' | 'stderr', text: string | Uint8Array): Promise<void> {
  pair.controlEnd.sendBinary(encodeExecFrame(stream, Buffer.from(text)));
  await clock.advance(0);
}

describe('without a terminal', () => {
  it('passes on input and output, and ends with the exit code', async () => {
    const running = await run();
    expect(said).toEqual([{ type: 'open', token: 'token-1' }]);
    await tell({ type: 'ready' });
    streams.type('hello');
    streams.end();
    await clock.advance(0);
    expect(Buffer.concat(input).toString()).toBe('hello');
    expect(said.at(-1)).toEqual({ type: 'endOfInput' });
    await print('stdout', 'out');
    await print('stderr', 'err');
    await tell({ type: 'exit', code: 42 });
    expect([streams.stdout, streams.stderr, running.outcome, streams.raw]).toEqual(['out', 'err', { code: 42 }, false]);
    expect([closed, clock.pendingTimers()]).toEqual([true, 0]);
  });

  it('sends no input before the command runs, and none at all unless it is asked to', async () => {
    await run();
    streams.type('early');
    await clock.advance(0);
    expect(input).toEqual([]);
    await tell({ type: 'ready' });
    expect(Buffer.concat(input).toString()).toBe('early');

    streams = new Streams();
    input = [];
    pair = createExecLinkPair(clock);
    await run({ interactive: false });
    streams.type('nobody’s');
    await tell({ type: 'ready' });
    expect(input).toEqual([]);
  });

  it('sends no more than there is room for', async () => {
    await run();
    await tell({ type: 'ready' });
    streams.type(Buffer.alloc(execWindowBytes + 1000));
    await clock.advance(0);
    expect(Buffer.concat(input)).toHaveLength(execWindowBytes);
    await tell({ type: 'credit', bytes: 600 });
    expect(Buffer.concat(input)).toHaveLength(execWindowBytes + 600);
  });

  it('grants output as its reader takes it, and ends when all is out', async () => {
    const running = await run();
    await tell({ type: 'ready' });
    const held = Promise.withResolvers<void>();
    streams.stuck = held.promise;
    for (let sent = 0; sent < execWindowBytes; sent += maximumExecBytes)
      await print('stdout', Buffer.alloc(maximumExecBytes, 'x'));
    await tell({ type: 'exit', code: 0 });
    pair.controlEnd.close(1000, 'done');
    await clock.advance(0);
    expect([said, running.outcome]).toEqual([[{ type: 'open', token: 'token-1' }], undefined]);
    held.resolve();
    await clock.advance(0);
    expect([streams.stdout.length, running.outcome]).toEqual([execWindowBytes, { code: 0 }]);
  });
});

describe('with a terminal', () => {
  it('tells its kind and sizes, takes every key, and gives the keys back', async () => {
    const running = await run({ terminal: { name: 'xterm' } });
    expect(said).toEqual([{ type: 'open', token: 'token-1', terminal: { columns: 80, rows: 24, name: 'xterm' } }]);
    expect(streams.raw).toBe(false);
    await tell({ type: 'ready' });
    expect(streams.raw).toBe(true);
    streams.resizeTo(132);
    streams.type('\x03');
    await clock.advance(0);
    expect(said.at(-1)).toEqual({ type: 'resize', columns: 132, rows: 24 });
    expect(Buffer.concat(input)).toEqual(Buffer.from([3]));
    await tell({ type: 'exit', code: 0 });
    expect([running.outcome, streams.raw]).toEqual([{ code: 0 }, false]);
  });

  it.each([
    ['an error', () => tell({ type: 'error', message: 'the agent is lost' }), 'the agent is lost'],
    ['a cut connection', async () => pair.cut(), 'the connection to control ended: 1006'],
    ['a goodbye', async () => pair.controlEnd.close(1001, 'control is going down'), 'control is going down'],
    ['nonsense', async () => pair.controlEnd.sendText('?'), 'control sent what is not understood'],
  ])('gives the keys back after %s', async (_case, happen, message) => {
    const running = await run({ terminal: {} });
    await tell({ type: 'ready' });
    await happen();
    await clock.advance(0);
    expect(running.outcome).toMatchObject({
      error: { name: 'CliError', message: expect.stringContaining(message), exitCode: 255 },
    });
    expect(streams.raw).toBe(false);
  });

  it('gives the keys back when this side is told to end, and lets the command go', async () => {
    const running = await run({ terminal: {} });
    await tell({ type: 'ready' });
    const reason = new Error('interrupted');
    running.abort.abort(reason);
    await clock.advance(0);
    expect([running.outcome, streams.raw, closed]).toEqual([{ error: reason }, false, true]);
  });
});

describe('in silence', () => {
  it('stays for hours, saying that it lives', async () => {
    const running = await run();
    await tell({ type: 'ready' });
    for (let minute = 0; minute < 120; minute++) {
      await tell({ type: 'heartbeat' });
      await clock.advance(60_000);
    }
    expect(running.outcome).toBeUndefined();
    expect(said.filter((text) => JSON.stringify(text) === '{"type":"heartbeat"}').length).toBe(360);
  });

  it('gives up a control that says nothing at all', async () => {
    const running = await run();
    await tell({ type: 'ready' });
    await clock.advance(80_000);
    expect(running.outcome).toMatchObject({ error: { message: 'control is silent', exitCode: 255 } });
  });
});

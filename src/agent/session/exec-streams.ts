/**
 * Serves commands that control opens in containers. Output is taken from a command only when there is credit for it, and input is granted as the
 * command takes it, so a slow reader on either side holds up its own stream and nothing else (S12). Whatever ends the client ends the command.
 */
import { createCredit, createCreditWindow, type Credit, type CreditWindow } from '#lib/credit.ts';
import { messageOf } from '#lib/errors.ts';
import { execWindowBytes, maximumExecBytes, type ExecTerminal } from '#protocol/exec/messages.ts';
import type {
  ExecClose,
  ExecCredit,
  ExecEnded,
  ExecEndOfInput,
  ExecFromAgent,
  ExecInput,
  ExecOpen,
  ExecResize,
} from '#protocol/session/exec.ts';

/** Where commands run. */
export interface ExecSource {
  /** Rejects when it cannot be started; the message is shown to the user. */
  start(request: ExecRequest): Promise<RunningExec>;
}

export interface ExecRequest {
  readonly taskArn: string;
  readonly containerName: string;
  readonly command: readonly string[];
  readonly interactive: boolean;
  readonly terminal?: ExecTerminal;
}

export interface RunningExec {
  /** Ends with the command. */
  readonly output: AsyncIterable<{ readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array }>;
  /** Resolves when it is taken. Never rejects. */
  write(data: Uint8Array): Promise<void>;
  endInput(): void;
  resize(size: Pick<ExecTerminal, 'columns' | 'rows'>): void;
  /** Asked for after the output has ended. */
  exitCode(): Promise<number>;
  /** The command has ended. */
  close(): void;
  /** The client is gone: ends the command, in the background. Must not throw. */
  abandon(): void;
}

/** Their windows fit into the buffer of a link. */
const maximumExecs = 32;
const maximumErrorCharacters = 1024;

export interface ExecStreams {
  open(request: ExecOpen): void;
  input(message: ExecInput): void;
  endOfInput(message: ExecEndOfInput): void;
  resize(message: ExecResize): void;
  credit(message: ExecCredit): void;
  close(message: ExecClose): void;
  dispose(): void;
}

export interface ExecStreamsOptions {
  readonly source: ExecSource;
  send(message: ExecFromAgent): void;
}

interface Stream {
  readonly execId: string;
  readonly credit: Credit;
  readonly window: CreditWindow;
  /** What came in, in its order: each waits for what came before it. */
  input: Promise<void>;
  running: RunningExec | undefined;
  closed: boolean;
}

export function createExecStreams({ source, send }: ExecStreamsOptions): ExecStreams {
  const streams = new Map<string, Stream>();

  function refuse(execId: string, error: string): void {
    send({ type: 'execEnded', execId, outcome: { kind: 'failed', error: error.slice(0, maximumErrorCharacters) } });
  }

  async function serve(stream: Stream, request: ExecRequest): Promise<void> {
    const { execId } = stream;
    const started = Promise.withResolvers<void>();
    stream.input = started.promise;
    try {
      const running = await source.start(request);
      stream.running = running;
      if (stream.closed) {
        running.abandon();
        return;
      }
      send({ type: 'execStarted', execId });
      started.resolve();
      await pump(stream, running);
      if (stream.closed) return;
      const code = await running.exitCode();
      running.close();
      finish(stream, { kind: 'exited', code });
    } catch (error) {
      if (!stream.closed) stream.running?.abandon();
      finish(stream, { kind: 'failed', error: messageOf(error).slice(0, maximumErrorCharacters) });
    } finally {
      started.resolve();
    }
  }

  async function pump(stream: Stream, { output }: RunningExec): Promise<void> {
    const { execId, credit } = stream;
    for await (const { stream: name, data } of output) {
      let rest = data;
      while (rest.length > 0) {
        if (!(await credit.some())) return;
        const piece = rest.subarray(0, Math.min(rest.length, credit.left, maximumExecBytes));
        rest = rest.subarray(piece.length);
        credit.spend(piece.length);
        send({ type: 'execOutput', execId, stream: name, data: textOf(piece) });
      }
      if (stream.closed) return;
    }
  }

  function finish(stream: Stream, outcome: ExecEnded['outcome']): void {
    if (stream.closed) return;
    stream.closed = true;
    streams.delete(stream.execId);
    stream.credit.end();
    send({ type: 'execEnded', execId: stream.execId, outcome });
  }

  function abandon(stream: Stream): void {
    stream.closed = true;
    streams.delete(stream.execId);
    stream.credit.end();
    stream.running?.abandon();
  }

  /** Runs `work` when all input before it has been taken. */
  function inOrder(execId: string, work: (running: RunningExec, stream: Stream) => Promise<void> | void): void {
    const stream = streams.get(execId);
    if (stream === undefined) return;
    stream.input = stream.input.then(async () => {
      if (!stream.closed && stream.running !== undefined) await work(stream.running, stream);
    });
  }

  return {
    open({ execId, taskArn, containerName, command, interactive, terminal }) {
      if (streams.has(execId)) return;
      if (streams.size >= maximumExecs) {
        refuse(execId, `the agent already runs ${maximumExecs} commands for others`);
        return;
      }
      const stream: Stream = {
        execId,
        credit: createCredit(execWindowBytes),
        window: createCreditWindow(execWindowBytes, (bytes) => send({ type: 'execCredit', execId, bytes })),
        input: Promise.resolve(),
        running: undefined,
        closed: false,
      };
      streams.set(execId, stream);
      const more = terminal === undefined ? {} : { terminal };
      void serve(stream, { taskArn, containerName, command, interactive, ...more });
    },
    input({ execId, data }) {
      const stream = streams.get(execId);
      if (stream === undefined) return;
      const bytes = Buffer.from(data, 'base64');
      if (!stream.window.received(bytes.length)) {
        abandon(stream);
        refuse(execId, 'more input came than there was credit for');
        return;
      }
      inOrder(execId, async (running) => {
        await running.write(bytes);
        if (!stream.closed) stream.window.taken(bytes.length);
      });
    },
    endOfInput: ({ execId }) => inOrder(execId, (running) => running.endInput()),
    resize({ execId, columns, rows }) {
      const running = streams.get(execId)?.running;
      // Not behind input that a busy command does not read.
      if (running === undefined) inOrder(execId, (started) => started.resize({ columns, rows }));
      else running.resize({ columns, rows });
    },
    credit: ({ execId, bytes }) => streams.get(execId)?.credit.add(bytes),
    close({ execId }) {
      const stream = streams.get(execId);
      if (stream !== undefined) abandon(stream);
    },
    dispose() {
      for (const stream of streams.values()) abandon(stream);
    },
  };
}

function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

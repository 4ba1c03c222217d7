/**
 * Log streams through a session. The agent may only send what it has credit for, so a slow reader costs one window of entries and no more; an agent
 * that sends beyond its credit breaks the protocol (S12).
 */
import { createCreditWindow, type CreditWindow } from '#lib/credit.ts';
import type { LogEntries, LogEntry, LogsClose, LogsCredit, LogsOpen } from '#protocol/session/messages.ts';

export interface LogsRequest {
  readonly taskArn: string;
  /** May be left out when the task has one container. */
  readonly container?: string | undefined;
  readonly follow: boolean;
  /** Only this many entries from the end. */
  readonly tail?: number | undefined;
  /** Epoch milliseconds. */
  readonly sinceMs?: number | undefined;
  /** Ends the stream in order. */
  readonly signal?: AbortSignal | undefined;
}

export type LogsErrorKind =
  | 'task-not-found'
  | 'container-not-found'
  | 'agent-not-connected'
  | 'session-lost'
  | 'too-many-streams'
  /** The agent could not read the logs; the message is its own. */
  | 'unreadable';

export class LogsError extends Error {
  override readonly name = 'LogsError';
  readonly kind: LogsErrorKind;

  constructor(kind: LogsErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** An agent sends entries of at most 16 KiB, so a window never fills the buffer of a link. */
const windowEntries = 256;
const maximumStreams = 256;

export interface LogStream {
  /** The next entry; undefined at the end. Rejects with a LogsError. */
  next(): Promise<LogEntry | undefined>;
  /** The reader goes. Tells the agent unless it has ended the stream itself. */
  close(): void;
}

export interface LogStreams {
  /** Throws a LogsError when there are too many. */
  open(request: Omit<LogsOpen, 'type' | 'streamId' | 'credit'>): LogStream;
  /** False when the agent sent more than it had credit for. */
  receive(message: LogEntries): boolean;
  /** Ends every stream with the error. */
  dispose(error: LogsError): void;
}

interface Open {
  readonly buffer: LogEntry[];
  readonly window: CreditWindow;
  ended: { readonly error?: LogsError } | undefined;
  wake: (() => void) | undefined;
}

export function createLogStreams(send: (message: LogsOpen | LogsCredit | LogsClose) => void): LogStreams {
  const streams = new Map<string, Open>();
  let opened = 0;

  function end(streamId: string, stream: Open, error?: LogsError): void {
    streams.delete(streamId);
    stream.ended ??= error === undefined ? {} : { error };
    stream.wake?.();
  }

  async function next(stream: Open): Promise<LogEntry | undefined> {
    for (;;) {
      const entry = stream.buffer.shift();
      if (entry !== undefined) {
        if (stream.ended === undefined) stream.window.taken(1);
        return entry;
      }
      if (stream.ended !== undefined) {
        if (stream.ended.error !== undefined) throw stream.ended.error;
        return undefined;
      }
      const woken = Promise.withResolvers<void>();
      stream.wake = woken.resolve;
      await woken.promise;
    }
  }

  return {
    open(request) {
      if (streams.size >= maximumStreams) {
        throw new LogsError('too-many-streams', `the agent already serves ${maximumStreams} log streams`);
      }
      opened += 1;
      const streamId = `logs-${opened}`;
      const window = createCreditWindow(windowEntries, (credit) => send({ type: 'logsCredit', streamId, credit }));
      const stream: Open = { buffer: [], window, ended: undefined, wake: undefined };
      streams.set(streamId, stream);
      send({ type: 'logsOpen', streamId, ...request, credit: windowEntries });
      return {
        next: () => next(stream),
        close() {
          if (stream.ended !== undefined) return;
          end(streamId, stream);
          send({ type: 'logsClose', streamId });
        },
      };
    },
    receive({ streamId, entries, ended }) {
      const stream = streams.get(streamId);
      if (stream === undefined) return true;
      if (!stream.window.received(entries.length)) return false;
      stream.buffer.push(...entries);
      if (ended === undefined) stream.wake?.();
      else end(streamId, stream, ended.error === undefined ? undefined : new LogsError('unreadable', ended.error));
      return true;
    },
    dispose(error) {
      for (const [streamId, stream] of streams) end(streamId, stream, error);
    },
  };
}

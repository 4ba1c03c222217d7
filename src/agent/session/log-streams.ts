/**
 * Serves log streams that control opens. An entry is taken from its source only when there is credit for it, so a reader who does not read holds
 * up the source and nothing else (S12). Entries travel in small batches: the first waits for the next at most a few milliseconds.
 */
import type { Clock, Timer } from '#lib/clock.ts';
import { createCredit, type Credit } from '#lib/credit.ts';
import { messageOf } from '#lib/errors.ts';
import type { LogEntries, LogEntry, LogsClose, LogsCredit, LogsOpen } from '#protocol/session/messages.ts';

/** Where logs come from. */
export interface LogSource {
  /** Ends when the container has, or without `follow` at the end of what there is. Throws when there is nothing to read; the message is shown to the user. */
  open(request: LogSourceRequest): AsyncIterable<LogEntry>;
}

export interface LogSourceRequest {
  readonly taskArn: string;
  readonly containerName: string;
  readonly follow: boolean;
  readonly tail?: number;
  /** Epoch milliseconds. */
  readonly sinceMs?: number;
  readonly signal: AbortSignal;
}

const maximumStreams = 256;
const maximumEntryCharacters = 16 * 1024;
const maximumBatchEntries = 100;
const maximumBatchCharacters = 256 * 1024;
const batchWaitMs = 10;
const maximumErrorCharacters = 1024;

export interface LogStreams {
  open(request: LogsOpen): void;
  credit(more: LogsCredit): void;
  close(request: LogsClose): void;
  dispose(): void;
}

export interface LogStreamsOptions {
  readonly source: LogSource;
  readonly clock: Clock;
  send(message: LogEntries): void;
}

interface Stream {
  readonly streamId: string;
  readonly abort: AbortController;
  readonly credit: Credit;
  batch: LogEntry[];
  batchCharacters: number;
  flushTimer: Timer | undefined;
}

export function createLogStreams({ source, clock, send }: LogStreamsOptions): LogStreams {
  const streams = new Map<string, Stream>();

  function flush(stream: Stream, ended?: LogEntries['ended']): void {
    stream.flushTimer?.cancel();
    stream.flushTimer = undefined;
    const entries = stream.batch;
    stream.batch = [];
    stream.batchCharacters = 0;
    if (stream.abort.signal.aborted || (entries.length === 0 && ended === undefined)) return;
    send({ type: 'logEntries', streamId: stream.streamId, entries, ...(ended === undefined ? {} : { ended }) });
  }

  async function push(stream: Stream, entry: LogEntry): Promise<void> {
    if (stream.credit.left === 0) flush(stream);
    await stream.credit.some();
    stream.credit.spend(1);
    stream.batch.push(entry);
    stream.batchCharacters += entry.text.length;
    if (stream.batch.length >= maximumBatchEntries || stream.batchCharacters >= maximumBatchCharacters) flush(stream);
    else stream.flushTimer ??= clock.after(batchWaitMs, () => flush(stream));
  }

  async function serve(stream: Stream, request: LogSourceRequest): Promise<void> {
    let ended: NonNullable<LogEntries['ended']> = {};
    try {
      for await (const entry of source.open(request)) {
        for (const piece of pieces(entry)) await push(stream, piece);
        if (request.signal.aborted) break;
      }
    } catch (error) {
      ended = { error: messageOf(error).slice(0, maximumErrorCharacters) };
    }
    streams.delete(stream.streamId);
    flush(stream, ended);
  }

  function end(stream: Stream): void {
    streams.delete(stream.streamId);
    stream.abort.abort();
    stream.flushTimer?.cancel();
    stream.credit.end();
  }

  return {
    open({ streamId, credit, taskArn, containerName, follow, tail, sinceMs }) {
      if (streams.has(streamId)) return;
      if (streams.size >= maximumStreams) {
        send({ type: 'logEntries', streamId, entries: [], ended: { error: 'too many log streams are open' } });
        return;
      }
      const abort = new AbortController();
      const stream: Stream = {
        streamId,
        abort,
        credit: createCredit(credit),
        batch: [],
        batchCharacters: 0,
        flushTimer: undefined,
      };
      streams.set(streamId, stream);
      void serve(stream, {
        taskArn,
        containerName,
        follow,
        ...(tail === undefined ? {} : { tail }),
        ...(sinceMs === undefined ? {} : { sinceMs }),
        signal: abort.signal,
      });
    },
    credit({ streamId, credit }) {
      streams.get(streamId)?.credit.add(credit);
    },
    close({ streamId }) {
      const stream = streams.get(streamId);
      if (stream !== undefined) end(stream);
    },
    dispose() {
      for (const stream of streams.values()) end(stream);
    },
  };
}

function pieces(entry: LogEntry): LogEntry[] {
  const { text } = entry;
  if (text.length <= maximumEntryCharacters) return [entry];
  const parts: LogEntry[] = [];
  for (let first = 0; first < text.length; first += maximumEntryCharacters) {
    parts.push({ ...entry, text: text.slice(first, first + maximumEntryCharacters) });
  }
  return parts;
}

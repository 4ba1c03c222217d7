/**
 * Log streams of the engine. Without a terminal it frames them (docker-frames.ts). With one, stdout and stderr are a single stream of text.
 * Each message begins with its RFC 3339 time.
 */
import { parseIsoTime } from '#lib/iso-time.ts';
import type { LogEntry } from './container-engine.ts';
import { framesOf, longestFrame } from './docker-frames.ts';

/** Longer lines are handed on in pieces, so that one endless line cannot fill the memory. */
export const longestLogText = 64 * 1024;

interface Frame {
  stream: LogEntry['stream'];
  text: string;
}

export function logEntriesOf(
  chunks: AsyncIterable<Buffer>,
  { terminal }: { terminal: boolean },
): AsyncIterable<LogEntry> {
  return joinPieces(terminal ? lineFrames(chunks) : textFrames(chunks));
}

async function* textFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  for await (const { stream, data } of framesOf(chunks)) yield { stream, text: data.toString() };
}

async function* lineFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  for await (const text of linesOf(chunks)) yield { stream: 'stdout', text: `${text}\n` };
}

/** The lines of a byte stream, without their ends; the last one also when it has none. Longer ones come in pieces. */
export async function* linesOf(chunks: AsyncIterable<Buffer>, longest: number = longestFrame): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > longest) {
      yield rest;
      rest = '';
    }
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}

/** The engine cuts lines at 16 KiB; a piece without a line end is continued by the stream's next one. */
async function* joinPieces(frames: AsyncIterable<Frame>): AsyncGenerator<LogEntry> {
  const begun = new Map<LogEntry['stream'], LogEntry>();
  for await (const frame of frames) {
    const { at, text } = splitTime(frame.text);
    const before = begun.get(frame.stream);
    const ended = text.endsWith('\n');
    const entry: LogEntry = {
      stream: frame.stream,
      at: before?.at ?? at,
      text: (before?.text ?? '') + text.replace(/\r?\n$/, ''),
    };
    if (ended || entry.text.length >= longestLogText) {
      begun.delete(frame.stream);
      yield entry;
    } else {
      begun.set(frame.stream, entry);
    }
  }
  yield* begun.values();
}

function splitTime(line: string): { at: number; text: string } {
  const space = line.indexOf(' ');
  const at = space < 0 ? undefined : parseIsoTime(line.slice(0, space));
  return at === undefined ? { at: 0, text: line } : { at, text: line.slice(space + 1) };
}

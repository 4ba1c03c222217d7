/**
 * The stream of a pull: one JSON object per line, of one layer each; an error line is the last. Two silences end it: the engine must
 * say something within the first-byte deadline, and then never be silent for longer than the inactivity deadline.
 */
import { z } from 'zod';
import type { Clock, Timer } from '#lib/clock.ts';
import { EngineError, type PullProgress } from './container-engine.ts';
import { linesOf } from './docker-logs.ts';
import { pullStreamError } from './docker-errors.ts';

const Line = z.object({
  status: z.string().optional(),
  id: z.string().optional(),
  progressDetail: z.object({ current: z.number().optional(), total: z.number().optional() }).optional(),
  error: z.string().optional(),
});

/** Reads to the end; rejects with the registry's words when the engine reports an error. */
export async function readProgress(
  chunks: AsyncIterable<Buffer>,
  onProgress: (progress: PullProgress) => void = () => undefined,
): Promise<void> {
  const layers = new Map<string, { current: number; total: number }>();
  for await (const text of linesOf(chunks)) {
    if (text.trim() === '') continue;
    const line = parseLine(text);
    if (line.error !== undefined) throw pullStreamError(line.error);
    const { current, total } = line.progressDetail ?? {};
    // Extracting counts the same bytes a second time.
    if (line.id !== undefined && current !== undefined && total !== undefined && line.status === 'Downloading') {
      layers.set(line.id, { current, total });
    }
    onProgress({ ...sum(layers.values()), status: line.status ?? '' });
  }
}

function parseLine(text: string): z.infer<typeof Line> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new EngineError('internal', `the engine's answer to the pull is not JSON: ${text.slice(0, 200)}`, {
      cause: error,
    });
  }
  return Line.safeParse(json).data ?? {};
}

function sum(layers: Iterable<{ current: number; total: number }>): Pick<PullProgress, 'currentBytes' | 'totalBytes'> {
  let currentBytes = 0;
  let totalBytes = 0;
  for (const { current, total } of layers) {
    currentBytes += current;
    totalBytes += total;
  }
  return { currentBytes, totalBytes };
}

export interface SilenceWatch {
  readonly signal: AbortSignal;
  /** The stream said something: from now on the inactivity deadline counts. */
  heard(): void;
  /** Set when a deadline passed. */
  error(): EngineError | undefined;
  stop(): void;
}

export function watchSilence(
  clock: Clock,
  what: string,
  { pullFirstByteMs, pullInactivityMs }: { pullFirstByteMs: number; pullInactivityMs: number },
): SilenceWatch {
  const controller = new AbortController();
  let failure: EngineError | undefined;
  let timer: Timer = arm(pullFirstByteMs, 'did not begin');
  function arm(ms: number, complaint: string): Timer {
    return clock.after(ms, () => {
      failure = new EngineError('timeout', `${what} ${complaint} within ${ms / 1000} s`);
      controller.abort(failure);
    });
  }
  return {
    signal: controller.signal,
    heard() {
      timer.cancel();
      timer = arm(pullInactivityMs, 'made no progress');
    },
    error: () => failure,
    stop: () => timer.cancel(),
  };
}

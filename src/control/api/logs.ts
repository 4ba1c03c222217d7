/**
 * `GET /berth/v1/logs`: the output of one container, live from the engine of its host, as one JSON object per line. The last line is
 * `{"ended":{}}`, with `error` in it when the stream broke off.
 */
import { z } from 'zod';
import { parseIsoTime } from '#lib/iso-time.ts';
import { clusterNameOf, type Realm } from '#model/arn.ts';
import { invalidParameter, taskNotFound } from '#protocol/ecs/errors.ts';
import type { Task } from '#model/task.ts';
import { LogsError } from '../sessions/logs.ts';
import { taskArnIn } from './lookups.ts';
import type { Store } from '../store/store.ts';

export interface LogRequest {
  taskArn: string;
  /** May be left out when the task has one container. */
  container?: string | undefined;
  follow: boolean;
  /** Only the last so many lines of what is there already. */
  tail?: number | undefined;
  /** Epoch milliseconds. */
  sinceMs?: number | undefined;
  /** Aborted when the reader is gone. */
  signal: AbortSignal;
}

export interface LogLine {
  stream: 'stdout' | 'stderr';
  /** Epoch milliseconds. */
  at: number;
  text: string;
}

/** Where the lines come from: the session of the agent that runs the task. */
export interface LogSource {
  /** Ends with the container's output; throws a LogsError when the host cannot be asked or breaks off. */
  openLogs(request: LogRequest): AsyncIterable<LogLine>;
}

const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

const logQuery = z.strictObject({
  task: z.string().min(1).max(2048),
  cluster: z.string().max(2048).exactOptional(),
  /** May be left out when the task has one container. */
  container: z.string().min(1).max(255).exactOptional(),
  follow: flag.exactOptional(),
  tail: z
    .string()
    .regex(/^\d{1,9}$/, { error: 'expected a number of lines' })
    .transform(Number)
    .exactOptional(),
  /** ISO 8601 or epoch milliseconds. */
  since: z.string().transform(sinceOf).exactOptional(),
});

function sinceOf(text: string, context: z.RefinementCtx): number {
  const ms = /^\d{1,15}$/.test(text) ? Number(text) : parseIsoTime(text);
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: 'expected ISO 8601 or milliseconds since the epoch', input: text });
  return z.NEVER;
}

/** What the query asks for, with the task it names looked up. Throws an EcsError. */
export async function parseLogRequest(
  query: unknown,
  { store, realm, signal }: { store: Store; realm: Realm; signal: AbortSignal },
): Promise<LogRequest> {
  const parsed = logQuery.safeParse(query);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalidParameter(`${issue?.path.join('.') || 'query'}: ${issue?.message ?? 'invalid'}`);
  }
  const { task: reference, cluster, container, follow = false, tail, since } = parsed.data;
  const arn = reference.startsWith('arn:') ? reference : taskArnIn(realm, clusterNameOf(cluster), reference);
  const task = await store.read((tx) => tx.tasks.get(arn));
  if (task === undefined) throw taskNotFound();
  return { taskArn: arn, container: container ?? onlyContainer(task), follow, tail, sinceMs: since, signal };
}

function onlyContainer(task: Task): string {
  const names = task.containers.map((container) => container.name);
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw invalidParameter(`container: expected one of ${names.join(', ')}`);
}

/** The lines as they go over the wire. Never throws: an error becomes the last line. */
export async function* logLines(
  lines: AsyncIterable<LogLine>,
  onError: (error: unknown) => void,
): AsyncGenerator<string, void, void> {
  try {
    for await (const { stream, at, text } of lines) yield `${JSON.stringify({ stream, at, text })}\n`;
    yield '{"ended":{}}\n';
  } catch (error) {
    if (!(error instanceof LogsError)) onError(error);
    const message = error instanceof LogsError ? error.message : 'The stream of logs broke off.';
    yield `${JSON.stringify({ ended: { error: message } })}\n`;
  }
}

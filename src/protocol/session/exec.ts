/**
 * Commands in containers, through the session of their agent. Bytes travel as base64, since the session's frames are JSON. Both directions go by
 * credit in bytes; `execWindowBytes` of each are granted from the beginning. An exec ends with `execEnded`, or with `execClose` when its client goes.
 */
import { z } from 'zod';
import { ExecTerminal, execWindowBytes, maximumExecBytes } from '../exec/messages.ts';

const execId = z.string().min(1).max(64);
/** Base64 of at most `maximumExecBytes`. */
const data = z.string().max(Math.ceil(maximumExecBytes / 3) * 4);

export const ExecOpen = z.object({
  type: z.literal('execOpen'),
  execId,
  taskArn: z.string().min(1).max(2048),
  containerName: z.string().min(1).max(255),
  command: z.array(z.string()).min(1).max(20_000),
  /** Whether the command has a stdin. */
  interactive: z.boolean(),
  terminal: ExecTerminal.exactOptional(),
});
export type ExecOpen = z.infer<typeof ExecOpen>;

export const ExecInput = z.object({ type: z.literal('execInput'), execId, data });
export type ExecInput = z.infer<typeof ExecInput>;

export const ExecEndOfInput = z.object({ type: z.literal('execEndOfInput'), execId });
export type ExecEndOfInput = z.infer<typeof ExecEndOfInput>;

export const ExecResize = z.object({
  type: z.literal('execResize'),
  execId,
  columns: ExecTerminal.shape.columns,
  rows: ExecTerminal.shape.rows,
});
export type ExecResize = z.infer<typeof ExecResize>;

/** In both directions: so many more of the other side's bytes can be taken. */
export const ExecCredit = z.object({
  type: z.literal('execCredit'),
  execId,
  bytes: z.number().int().min(1).max(execWindowBytes),
});
export type ExecCredit = z.infer<typeof ExecCredit>;

/** The client is gone: the command is to end. */
export const ExecClose = z.object({ type: z.literal('execClose'), execId });
export type ExecClose = z.infer<typeof ExecClose>;

export const ExecStarted = z.object({ type: z.literal('execStarted'), execId });
export type ExecStarted = z.infer<typeof ExecStarted>;

export const ExecOutput = z.object({
  type: z.literal('execOutput'),
  execId,
  stream: z.enum(['stdout', 'stderr']),
  data,
});
export type ExecOutput = z.infer<typeof ExecOutput>;

/** The last message of an exec: how the command ended, or why it could not run. */
export const ExecEnded = z.object({
  type: z.literal('execEnded'),
  execId,
  outcome: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('exited'), code: z.number().int() }),
    z.object({ kind: z.literal('failed'), error: z.string().max(1024) }),
  ]),
});
export type ExecEnded = z.infer<typeof ExecEnded>;

export const execFromControl = [ExecOpen, ExecInput, ExecEndOfInput, ExecResize, ExecCredit, ExecClose] as const;
export type ExecFromControl = z.infer<(typeof execFromControl)[number]>;

export const execFromAgent = [ExecStarted, ExecOutput, ExecCredit, ExecEnded] as const;
export type ExecFromAgent = z.infer<(typeof execFromAgent)[number]>;

/**
 * The subprotocol `berth.exec.v1` between whoever runs a command in a container and control, on the stream URL that ExecuteCommand answers.
 * Text frames are JSON messages, told apart by `type`; binary frames are a channel number (one byte) and bytes of that channel. Both directions
 * go by credit in bytes (docs/exec.md). Other protocols on the same URL are told apart by the name of their subprotocol.
 */
import { z } from 'zod';
import { parseText, type Parsed } from '../parse-text.ts';

export const execSubprotocol = 'berth.exec.v1';

/** The session id follows. */
export const execPath = '/exec/';

/** What either side may send of each direction before it hears of more room; 32 sessions of one agent fit into the buffer of its link. */
export const execWindowBytes = 128 * 1024;
/** Of one frame, without its channel number. */
export const maximumExecBytes = 32 * 1024;
/** Text frames are short. */
export const maximumExecTextBytes = 16 * 1024;
/** Both sides say so that they live, and that whatever is between them keeps the connection. */
export const execHeartbeatIntervalMs = 20_000;

const cells = z.number().int().min(1).max(10_000);

const terminalSize = { columns: cells, rows: cells };

export const ExecTerminal = z.object({
  ...terminalSize,
  /** Becomes TERM. */
  name: z
    .string()
    .regex(/^[A-Za-z0-9._+-]{1,64}$/)
    .exactOptional(),
});
export type ExecTerminal = z.infer<typeof ExecTerminal>;

const bytes = z.number().int().min(1).max(execWindowBytes);
const Heartbeat = z.object({ type: z.literal('heartbeat') });
/** So much more of the other side's bytes can be taken. */
const CreditGrant = z.object({ type: z.literal('credit'), bytes });

export const ExecClientMessage = z.discriminatedUnion('type', [
  /** First, once. */
  z.object({
    type: z.literal('open'),
    token: z.string().max(256),
    /** The command gets a terminal of this size; without it stdout and stderr stay apart. */
    terminal: ExecTerminal.exactOptional(),
  }),
  z.object({ type: z.literal('resize'), ...terminalSize }),
  z.object({ type: z.literal('endOfInput') }),
  CreditGrant,
  Heartbeat,
]);
export type ExecClientMessage = z.infer<typeof ExecClientMessage>;

export const ExecControlMessage = z.discriminatedUnion('type', [
  /** The command runs; both windows are open. */
  z.object({ type: z.literal('ready') }),
  CreditGrant,
  Heartbeat,
  /** The last message, like `error`. */
  z.object({ type: z.literal('exit'), code: z.number().int() }),
  z.object({ type: z.literal('error'), message: z.string().max(2048) }),
]);
export type ExecControlMessage = z.infer<typeof ExecControlMessage>;

export function parseExecClientMessage(text: string): Parsed<ExecClientMessage> {
  return parseText(ExecClientMessage, text);
}

export function parseExecControlMessage(text: string): Parsed<ExecControlMessage> {
  return parseText(ExecControlMessage, text);
}

export const execChannels = ['stdin', 'stdout', 'stderr'] as const;
export type ExecChannel = (typeof execChannels)[number];

export function encodeExecFrame(channel: ExecChannel, data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(data.length + 1);
  frame[0] = execChannels.indexOf(channel);
  frame.set(data, 1);
  return frame;
}

/** Undefined for an unknown channel, and for a frame that is empty or too long. */
export function decodeExecFrame(frame: Uint8Array): { channel: ExecChannel; data: Uint8Array } | undefined {
  const channel = execChannels[frame[0] ?? -1];
  if (channel === undefined || frame.length < 2 || frame.length > maximumExecBytes + 1) return undefined;
  return { channel, data: frame.subarray(1) };
}

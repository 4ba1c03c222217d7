/**
 * This side of a command in a container, over any link and any streams: input and output by credit, the terminal's size, and the exit code at the
 * end. Output is granted as this side's reader takes it, so a slow one holds up the command and nothing fills up.
 */
import type { Clock } from '#lib/clock.ts';
import { createCredit, createCreditWindow } from '#lib/credit.ts';
import { startHeartbeat } from '#lib/heartbeat.ts';
import type { ExecLink, ExecLinkHandlers } from '#protocol/exec/link.ts';
import {
  decodeExecFrame,
  encodeExecFrame,
  execHeartbeatIntervalMs,
  execWindowBytes,
  maximumExecBytes,
  parseExecControlMessage,
  type ExecClientMessage,
  type ExecControlMessage,
} from '#protocol/exec/messages.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import { CliError } from '../errors.ts';
import type { LocalStreams } from './local-streams.ts';

export interface ExecSession {
  /** Opens the link; events go to the handlers. */
  connect(handlers: ExecLinkHandlers): Promise<ExecLink>;
  readonly token: string;
  /** Whether this side's input goes to the command. */
  readonly interactive: boolean;
  /** The command gets a terminal of this kind (TERM). */
  readonly terminal?: { readonly name?: string };
  readonly streams: LocalStreams;
  readonly clock: Clock;
  /** Ends the command. */
  readonly signal: AbortSignal;
}

/** As ssh has it, so that it is told from what commands usually end with. */
export const lostExitCode = 255;

/** Resolves with the command's exit code. Rejects with a CliError when it could not run or was lost, with the signal's reason when that aborts. */
export async function runExec(session: ExecSession): Promise<number> {
  const { streams, clock, signal, interactive, terminal } = session;
  const outcome = Promise.withResolvers<number>();
  const input = createCredit(execWindowBytes);
  const output = createCreditWindow(execWindowBytes, (bytes) => send({ type: 'credit', bytes }));
  const undo: (() => void)[] = [];
  let written = Promise.resolve();

  function send(message: ExecClientMessage): void {
    link.sendText(JSON.stringify(message));
  }

  function lose(why: string): void {
    const next = 'the command was ended, or is as soon as its agent is back';
    outcome.reject(new CliError(why, { next, exitCode: lostExitCode }));
  }

  function begin(): void {
    if (terminal !== undefined) undo.push(streams.onResize(() => send({ type: 'resize', ...streams.size() })));
    if (!interactive) return;
    if (terminal !== undefined && streams.isTerminal) undo.push(streams.takeKeys());
    pumpInput().catch((error: unknown) => outcome.reject(error));
  }

  async function pumpInput(): Promise<void> {
    for await (const chunk of streams.input) {
      let rest = chunk;
      while (rest.length > 0) {
        if (!(await input.some())) return;
        const piece = rest.subarray(0, Math.min(rest.length, input.left, maximumExecBytes));
        rest = rest.subarray(piece.length);
        input.spend(piece.length);
        link.sendBinary(encodeExecFrame('stdin', piece));
      }
    }
    send({ type: 'endOfInput' });
  }

  function dispatch(message: ExecControlMessage): void {
    heartbeat.heard();
    switch (message.type) {
      case 'ready':
        begin();
        return;
      case 'credit':
        input.add(message.bytes);
        return;
      case 'heartbeat':
        return;
      case 'exit':
        written.then(() => outcome.resolve(message.code), outcome.reject);
        return;
      case 'error':
        outcome.reject(new CliError(message.message, { exitCode: lostExitCode }));
        return;
    }
  }

  const handlers: ExecLinkHandlers = {
    text(text) {
      const parsed = parseExecControlMessage(text);
      if (parsed.ok) dispatch(parsed.message);
      else lose(`control sent what is not understood: ${parsed.problem}`);
    },
    binary(frame) {
      heartbeat.heard();
      const decoded = decodeExecFrame(frame);
      const stream = decoded?.channel;
      if (
        decoded === undefined ||
        stream === undefined ||
        stream === 'stdin' ||
        !output.received(decoded.data.length)
      ) {
        lose('control sent what is not understood: output out of order');
        return;
      }
      written = written
        .then(() => streams.write(stream, decoded.data))
        .then(() => output.taken(decoded.data.length), outcome.reject);
    },
    // Behind the last output, which may still wait for this side's reader.
    closed: (code, reason) => void written.then(() => lose(`the connection to control ended: ${reason || code}`)),
  };

  const onAbort = (): void => outcome.reject(signal.reason);
  outcome.promise.catch(() => undefined);
  const link = await session.connect(handlers);
  const heartbeat = startHeartbeat({
    clock,
    intervalMs: execHeartbeatIntervalMs,
    beat: () => send({ type: 'heartbeat' }),
    onSilence: () => lose('control is silent'),
  });
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    send({
      type: 'open',
      token: session.token,
      ...(terminal === undefined ? {} : { terminal: { ...streams.size(), ...terminal } }),
    });
    return await outcome.promise;
  } finally {
    for (const step of undo) step();
    signal.removeEventListener('abort', onAbort);
    heartbeat.stop();
    input.end();
    link.close(closeCodes.done, 'done');
  }
}

/**
 * The connection of one client that runs a command, whatever carries it: shows its token, then passes bytes and credit between the client and the
 * command's channel. Whichever end goes, the other is told. Every frame is parsed here, once; nothing that a client says is logged.
 */
import type { Clock, Timer } from '#lib/clock.ts';
import { startHeartbeat } from '#lib/heartbeat.ts';
import type { Logger } from '#lib/logger.ts';
import {
  decodeExecFrame,
  encodeExecFrame,
  execHeartbeatIntervalMs,
  execWindowBytes,
  maximumExecTextBytes,
  parseExecClientMessage,
  type ExecClientMessage,
  type ExecControlMessage,
  type ExecTerminal,
} from '#protocol/exec/messages.ts';
import type { ExecLink, ExecLinkHandlers } from '#protocol/exec/link.ts';
import { closeCodes, fitReason } from '#protocol/session/close-codes.ts';
import { ExecError, type GrantedExec } from './exec-grants.ts';
import type { ExecChannel, ExecEvents } from './execs.ts';

const openLimitMs = 10_000;
/** The agent's engine may take its time for the creation, the start and the first look. */
const startLimitMs = 90_000;
/** A client that grants credit and does not read is cut off. */
const maximumBufferedBytes = 4 * execWindowBytes;

export interface ExecClientOptions {
  readonly link: ExecLink;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What the token opens, if it does. */
  redeem(token: string): GrantedExec | undefined;
  /** Throws an ExecError. */
  open(exec: GrantedExec, terminal: ExecTerminal | undefined, events: ExecEvents): ExecChannel;
  /** Called once, at the end. */
  ended(): void;
}

export interface ExecClient {
  readonly handlers: ExecLinkHandlers;
  /** Ends the command and tells the client why. */
  end(code: number, reason: string): void;
}

type Phase =
  | { readonly name: 'greeting'; readonly deadline: Timer }
  | { readonly name: 'starting'; readonly deadline: Timer; readonly channel: ExecChannel }
  | { readonly name: 'running'; readonly channel: ExecChannel }
  | { readonly name: 'closed' };

export function openExecClient(options: ExecClientOptions): ExecClient {
  const { link, clock } = options;
  let logger = options.logger;
  let phase: Phase = {
    name: 'greeting',
    deadline: clock.after(openLimitMs, () => end(closeCodes.heartbeatTimeout, 'no open in time')),
  };
  const heartbeat = startHeartbeat({
    clock,
    intervalMs: execHeartbeatIntervalMs,
    beat: () => send({ type: 'heartbeat' }),
    onSilence() {
      if (leave('the client is silent')) link.terminate();
    },
  });

  function leave(why: string): boolean {
    if (phase.name === 'closed') return false;
    if ('deadline' in phase) phase.deadline.cancel();
    if ('channel' in phase) phase.channel.close();
    phase = { name: 'closed' };
    heartbeat.stop();
    logger.info({ why }, 'a command’s client has ended');
    options.ended();
    return true;
  }

  function end(code: number, reason: string): void {
    if (leave(reason)) link.close(code, fitReason(reason));
  }

  /** The last word, then the end. */
  function conclude(message: Extract<ExecControlMessage, { type: 'exit' | 'error' }>): void {
    send(message);
    end(closeCodes.done, message.type === 'exit' ? `the command ended with ${message.code}` : message.message);
  }

  function send(message: ExecControlMessage): void {
    if (phase.name !== 'closed') link.sendText(JSON.stringify(message));
  }

  const events: ExecEvents = {
    started() {
      if (phase.name !== 'starting') return;
      phase.deadline.cancel();
      phase = { name: 'running', channel: phase.channel };
      send({ type: 'ready' });
    },
    output(stream, data) {
      if (phase.name === 'closed') return;
      link.sendBinary(encodeExecFrame(stream, data));
      if (link.bufferedBytes > maximumBufferedBytes) end(closeCodes.slowReader, 'the client reads too slowly');
    },
    credit: (bytes) => send({ type: 'credit', bytes }),
    exited: (code) => conclude({ type: 'exit', code }),
    failed: ({ message }) => conclude({ type: 'error', message }),
  };

  function open(token: string, terminal: ExecTerminal | undefined): void {
    if (phase.name !== 'greeting') {
      end(closeCodes.invalidMessage, 'a second open');
      return;
    }
    const exec = options.redeem(token);
    if (exec === undefined) {
      end(closeCodes.unauthorized, 'the token is not valid: it was used, or has expired, or never was');
      return;
    }
    // Who and where is for the log; what they run may hold secrets.
    const { taskArn, containerName, principalArn } = exec;
    logger = logger.child({ taskArn, containerName, principalArn });
    phase.deadline.cancel();
    try {
      const channel = options.open(exec, terminal, events);
      const deadline = clock.after(startLimitMs, () =>
        conclude({ type: 'error', message: `the agent did not start the command within ${startLimitMs / 1000} s` }),
      );
      phase = { name: 'starting', deadline, channel };
      logger.info({}, 'a command in a container begins');
    } catch (error) {
      if (!(error instanceof ExecError)) throw error;
      conclude({ type: 'error', message: error.message });
    }
  }

  function dispatch(message: ExecClientMessage): void {
    heartbeat.heard();
    switch (message.type) {
      case 'open':
        open(message.token, message.terminal);
        return;
      case 'heartbeat':
        return;
      case 'resize':
        if ('channel' in phase) phase.channel.resize(message);
        return;
      case 'endOfInput':
        if ('channel' in phase) phase.channel.endOfInput();
        return;
      case 'credit':
        if ('channel' in phase && !phase.channel.credit(message.bytes)) {
          end(closeCodes.invalidMessage, 'credit: more than was sent');
        }
        return;
    }
  }

  return {
    handlers: {
      text(text) {
        if (phase.name === 'closed') return;
        if (text.length > maximumExecTextBytes) {
          end(closeCodes.tooLarge, `a message has at most ${maximumExecTextBytes} bytes`);
          return;
        }
        const parsed = parseExecClientMessage(text);
        if (parsed.ok) dispatch(parsed.message);
        else end(closeCodes.invalidMessage, parsed.problem);
      },
      binary(frame) {
        if (phase.name === 'closed') return;
        heartbeat.heard();
        const decoded = decodeExecFrame(frame);
        if (phase.name !== 'running' || decoded?.channel !== 'stdin') {
          end(closeCodes.invalidMessage, 'expected input, after ready, on channel 0');
        } else if (!phase.channel.input(decoded.data)) {
          end(closeCodes.invalidMessage, 'input: more than there was credit for');
        }
      },
      closed: (code, reason) => void leave(reason || `closed with ${code}`),
    },
    end,
  };
}

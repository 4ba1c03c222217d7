/**
 * One agent's session, whatever carries it. A state machine of four phases, each owning its resources: handshaking (a deadline), registering (a
 * deadline, the database at work), serving (see serving.ts), closed. Every message is parsed here, once; garbage ends the session with a code and a
 * reason and changes nothing. Numbered invariants: docs/session.md.
 */
import type { Clock, Timer } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import type { Logger } from '#lib/logger.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import { closeCodes, fitReason } from '#protocol/session/close-codes.ts';
import type { Link, LinkHandlers } from '#protocol/session/link.ts';
import {
  maximumMessageBytes,
  offeredVersions,
  parseAgentMessage,
  protocolVersion,
  type AgentMessage,
  type ControlMessage,
  type Hello,
  type Welcome,
} from '#protocol/session/messages.ts';
import type { RegistrationOutcome } from './registration.ts';
import type { Serving, ServingOptions } from './serving.ts';

/** From the opening of the link to the welcome. */
const handshakeLimitMs = 10_000;
/** Bytes that may wait for a slow agent: two of the longest messages. */
const maximumBufferedBytes = 2 * maximumMessageBytes;

export interface SessionOptions {
  readonly id: string;
  readonly remote: string;
  readonly link: Link;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Decides about the hello and writes the row; never rejects a session that may be served. */
  register(session: Session, hello: Hello): Promise<RegistrationOutcome>;
  welcome(session: Session, instance: ContainerInstance): Welcome;
  serve(
    session: Session,
    serving: Pick<ServingOptions, 'containerInstanceArn' | 'hello' | 'logger' | 'send' | 'end' | 'giveUp'>,
  ): Serving;
  /** The welcome is sent. */
  opened?(session: Session): void;
  /** Called once, at the end of every session. */
  ended(session: Session): void;
}

export interface Session {
  readonly id: string;
  readonly remote: string;
  readonly handlers: LinkHandlers;
  /** Undefined unless serving. */
  readonly serving: Serving | undefined;
  readonly closed: boolean;
  /** Only to an agent that is served. */
  send(message: ControlMessage): void;
  /** Ends the session in order. Harmless when it has ended. */
  end(code: number, reason: string): void;
}

type Phase =
  | { readonly name: 'handshaking'; readonly deadline: Timer }
  | { readonly name: 'registering'; readonly deadline: Timer; readonly hello: Hello }
  | { readonly name: 'serving'; readonly serving: Serving }
  | { readonly name: 'closed' };

export function openSession(options: SessionOptions): Session {
  const { id, remote, link, clock } = options;
  let logger = options.logger.child({ session: id, remote });
  let phase: Phase = {
    name: 'handshaking',
    deadline: clock.after(handshakeLimitMs, () => end(closeCodes.heartbeatTimeout, 'no handshake in time')),
  };

  function leave(): boolean {
    if (phase.name === 'closed') return false;
    if (phase.name === 'serving') phase.serving.dispose();
    else phase.deadline.cancel();
    phase = { name: 'closed' };
    return true;
  }

  function end(code: number, reason: string): void {
    if (!leave()) return;
    logger.info({ code, reason }, 'session ended');
    link.close(code, fitReason(reason));
    options.ended(session);
  }

  function giveUp(reason: string): void {
    if (!leave()) return;
    logger.warn({ reason }, 'session given up');
    link.terminate();
    options.ended(session);
  }

  function send(message: ControlMessage): void {
    if (phase.name === 'closed') return;
    link.send(JSON.stringify(message));
    if (link.bufferedBytes > maximumBufferedBytes) end(closeCodes.slowReader, 'the agent reads too slowly');
  }

  function receive(text: string): void {
    if (phase.name === 'closed') return;
    if (Buffer.byteLength(text) > maximumMessageBytes) {
      end(closeCodes.tooLarge, `a message has at most ${maximumMessageBytes} bytes`);
      return;
    }
    if (phase.name === 'handshaking') {
      const offered = offeredVersions(text);
      if (offered !== undefined && !offered.includes(protocolVersion)) {
        end(closeCodes.versionMismatch, `control speaks version ${protocolVersion} of the protocol`);
        return;
      }
    }
    const parsed = parseAgentMessage(text);
    if (!parsed.ok) {
      logger.warn({ problem: parsed.problem }, 'an invalid message');
      end(closeCodes.invalidMessage, parsed.problem);
      return;
    }
    dispatch(parsed.message);
  }

  function dispatch(message: AgentMessage): void {
    switch (phase.name) {
      case 'handshaking':
        if (message.type !== 'hello') {
          end(closeCodes.invalidMessage, `${message.type} before hello`);
          return;
        }
        phase = { name: 'registering', deadline: phase.deadline, hello: message };
        void register(message);
        return;
      case 'registering':
        if (message.type === 'hello' && message.incarnation === phase.hello.incarnation) return;
        end(closeCodes.invalidMessage, `${message.type} before welcome`);
        return;
      case 'serving':
        phase.serving.message(message);
        return;
      case 'closed':
        return;
    }
  }

  async function register(hello: Hello): Promise<void> {
    let outcome: RegistrationOutcome;
    try {
      outcome = await options.register(session, hello);
    } catch (error) {
      logger.error({ error }, 'an agent could not be registered');
      end(closeCodes.internalError, `registration failed: ${messageOf(error)}`);
      return;
    }
    if (phase.name !== 'registering') return;
    if (outcome.kind === 'refused') {
      logger.warn({ machineId: hello.machineId, hostname: hello.hostname }, 'an agent was refused');
      end(outcome.code, outcome.reason);
      return;
    }
    const { containerInstanceArn } = outcome.instance;
    logger = logger.child({ containerInstanceArn });
    phase.deadline.cancel();
    const serving = options.serve(session, { containerInstanceArn, hello, logger, send, end, giveUp });
    phase = { name: 'serving', serving };
    logger.info({ hostname: hello.hostname, tasks: hello.tasks.length }, 'session opened');
    send(options.welcome(session, outcome.instance));
    options.opened?.(session);
  }

  const session: Session = {
    id,
    remote,
    handlers: {
      message: receive,
      closed(code, reason) {
        if (!leave()) return;
        logger.info({ code, reason }, 'session lost');
        options.ended(session);
      },
    },
    get serving() {
      return phase.name === 'serving' ? phase.serving : undefined;
    },
    get closed() {
      return phase.name === 'closed';
    },
    send(message) {
      if (phase.name === 'serving') send(message);
    },
    end,
  };
  return session;
}

/**
 * The agent's session with control, through all its reconnects. Phases, each owning its resources: waiting (a timer), connecting and greeting (an
 * attempt and a deadline), serving (heartbeat, outbox, questions, log and exec streams), stopped. Nothing that happens here touches a container: losing the
 * session changes nothing on the host (S9). What follows an end is decided in reconnect.ts.
 */
import { deadline, type Clock, type Timer } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import { startHeartbeat, type Heartbeat } from '#lib/heartbeat.ts';
import type { Logger } from '#lib/logger.ts';
import type { Random } from '#lib/random.ts';
import { closeCodes, fitReason } from '#protocol/session/close-codes.ts';
import type { Link, LinkHandlers } from '#protocol/session/link.ts';
import {
  maximumMessageBytes,
  parseControlMessage,
  type AgentMessage,
  type ControlMessage,
  type Hello,
  type Welcome,
} from '#protocol/session/messages.ts';
import { maximumTelemetryBytes, type Telemetry } from '#protocol/session/telemetry.ts';
import { ConnectError, type Connector } from './connector.ts';
import { createExecStreams, type ExecSource } from './exec-streams.ts';
import { makeHello, readGreeting, type HostFacts } from './handshake.ts';
import { createLogStreams, type LogSource } from './log-streams.ts';
import { createOutbox } from './outbox.ts';
import type { GoingDownAnswer } from '#protocol/session/going-down.ts';
import { createProtectionRequests, type ProtectionResult, type ProtectionWish } from './protection-requests.ts';
import { nextTry, steadyAfterMs } from './reconnect.ts';
import { respond, type ResponderContext } from './responders.ts';
import type { SessionState } from './session-state.ts';
import { createStopQuestions } from './stop-questions.ts';

const connectLimitMs = 30_000;
/** ecs-agent gives the API so long. */
const departureLimitMs = 4000;
const welcomeLimitMs = 10_000;
/** Bytes that may wait for a slow link: two of the longest messages. */
const maximumBufferedBytes = 2 * maximumMessageBytes;

export interface SessionOptions {
  readonly connect: Connector;
  readonly state: SessionState;
  readonly cluster: string;
  /** New for each start of the process, e.g. a UUID. */
  readonly incarnation: string;
  /** Asked at each attempt. A rejection is an attempt that failed. */
  host(): Promise<HostFacts>;
  /** Asked at each heartbeat. */
  health(): Hello['health'];
  readonly logs: LogSource;
  readonly execs: ExecSource;
  /** These tasks are new or shall stop; all of it is saved. Must not throw. */
  onAssigned(taskArns: readonly string[]): void;
  /** Gets images ahead of tasks; must not reject. Absent: none are got. */
  prepull?: ResponderContext['prepull'];
  /** Control asks for a certificate by another authority; nothing by default. Must not throw. */
  renewIdentity?(): void;
  /** Brings the agent another version; must not reject. Absent: none is brought. */
  update?: ResponderContext['update'];
  /** A session is open. Must not throw. */
  onOpened?(): void;
  /** No reconnect follows: somebody has to act, as the advice says. */
  onRefused?(advice: string): void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export type ConnectionState =
  | { readonly name: 'stopped'; readonly reason: string }
  | { readonly name: 'waiting'; readonly until: number; readonly attempt: number; readonly because: string }
  | { readonly name: 'connecting'; readonly attempt: number }
  | { readonly name: 'greeting'; readonly attempt: number }
  | { readonly name: 'serving'; readonly since: number; readonly containerInstanceArn: string };

export interface AgentSession {
  start(): void;
  /** Ends the session in order; no reconnect follows. */
  stop(): void;
  /** The journal holds new state changes. */
  stateChanged(): void;
  /** False, and nothing is sent, without a session or while its link is slow: figures must not crowd out what matters. */
  sendTelemetry(message: Telemetry): boolean;
  /** Asks control in the name of a task; answers within a few seconds, whatever becomes of the session. */
  protect(wish: ProtectionWish): Promise<ProtectionResult>;
  /** Tells control that the machine goes down; undefined when it does not answer in time, or there is no session. */
  goingDown(): Promise<GoingDownAnswer | undefined>;
  readonly state: ConnectionState;
}

interface Serving {
  readonly context: ResponderContext;
  readonly heartbeat: Heartbeat;
  dispose(): void;
}

type Phase =
  | { readonly name: 'stopped'; readonly reason: string }
  | {
      readonly name: 'waiting';
      readonly until: number;
      readonly attempt: number;
      readonly because: string;
      readonly timer: Timer;
    }
  | { readonly name: 'connecting'; readonly attempt: number; readonly abort: AbortController }
  | {
      readonly name: 'greeting';
      readonly attempt: number;
      readonly abort: AbortController;
      readonly link: Link;
      readonly timer: Timer;
    }
  | {
      readonly name: 'serving';
      readonly attempt: number;
      readonly abort: AbortController;
      readonly link: Link;
      readonly since: number;
      readonly containerInstanceArn: string;
      readonly serving: Serving;
    };

export function createSession(options: SessionOptions): AgentSession {
  const { state, clock, random } = options;
  const logger = options.logger.child({ part: 'session' });
  const protections = createProtectionRequests(clock);
  let departure: PromiseWithResolvers<GoingDownAnswer | undefined> | undefined;
  let phase: Phase = { name: 'stopped', reason: 'not started' };
  let troubledSince = clock.elapsed();

  /** Lets go of everything the phase owns. Events of an attempt that is over are ignored: its signal is aborted. */
  function leave(): void {
    if (phase.name === 'waiting' || phase.name === 'greeting') phase.timer.cancel();
    if (phase.name === 'serving') phase.serving.dispose();
    if ('abort' in phase) phase.abort.abort();
  }

  async function connect(attempt: number): Promise<void> {
    const abort = new AbortController();
    phase = { name: 'connecting', attempt, abort };
    try {
      const host = await deadline(clock, connectLimitMs, 'looking at the host', options.host());
      const link = await deadline(clock, connectLimitMs, 'connecting', openLink(abort.signal));
      if (!abort.signal.aborted) greet(link, host, abort, attempt);
    } catch (error) {
      if (abort.signal.aborted) return;
      const because = messageOf(error);
      if (error instanceof ConnectError) afterEnd(because, error.code);
      else afterEnd(because);
    }
  }

  async function openLink(signal: AbortSignal): Promise<Link> {
    const handlers: LinkHandlers = {
      message: (text) => void (signal.aborted || receive(text)),
      closed: (code, reason) => void (signal.aborted || afterEnd(`control closed: ${reason || code}`, code)),
    };
    const link = await options.connect(handlers, signal);
    if (signal.aborted) link.terminate();
    return link;
  }

  function greet(link: Link, host: HostFacts, abort: AbortController, attempt: number): void {
    const timer = clock.after(welcomeLimitMs, () => end(closeCodes.heartbeatTimeout, 'no welcome in time'));
    phase = { name: 'greeting', attempt, abort, link, timer };
    guarded(() => {
      const { cluster, incarnation } = options;
      link.send(JSON.stringify(makeHello({ cluster, incarnation, host, health: options.health(), state })));
    });
  }

  function receive(text: string): void {
    if (Buffer.byteLength(text) > maximumMessageBytes) {
      end(closeCodes.tooLarge, `a message has at most ${maximumMessageBytes} bytes`);
      return;
    }
    const parsed = parseControlMessage(text);
    if (!parsed.ok) {
      end(closeCodes.invalidMessage, parsed.problem);
      return;
    }
    guarded(() => dispatch(parsed.message));
  }

  function dispatch(message: ControlMessage): void {
    if (phase.name === 'serving') {
      phase.serving.heartbeat.heard();
      respond(message, phase.serving.context);
      return;
    }
    if (phase.name !== 'greeting') return;
    const greeting = readGreeting(message);
    if (greeting.kind === 'refused') end(greeting.code, greeting.reason);
    else serve(greeting.welcome);
  }

  function serve(welcome: Welcome): void {
    if (phase.name !== 'greeting') return;
    const { containerInstanceArn, cluster, region, accountId } = welcome;
    state.saveRegistration({ containerInstanceArn, cluster, region, accountId });
    phase.timer.cancel();
    const { attempt, abort, link } = phase;
    const serving = createServing(welcome);
    phase = { name: 'serving', attempt, abort, link, since: clock.now(), containerInstanceArn, serving };
    logger.info({ containerInstanceArn, session: welcome.sessionId }, 'session opened');
    serving.context.outbox.wake();
    protections.opened(send);
    options.onOpened?.();
  }

  function createServing(welcome: Welcome): Serving {
    const { prepull = refusePrepull, update = refuseUpdate } = options;
    const questions = createStopQuestions(clock, send);
    const logs = createLogStreams({ source: options.logs, clock, send });
    const execs = createExecStreams({ source: options.execs, send });
    const outbox = createOutbox({ state, clock, logger, send, onFailure: fail });
    const heartbeat = startHeartbeat({
      clock,
      intervalMs: welcome.heartbeatIntervalMs,
      beat: () => send({ type: 'heartbeat', sentAt: clock.now(), health: options.health() }),
      onSilence: giveUp,
    });
    return {
      heartbeat,
      context: {
        state,
        outbox,
        questions,
        logs,
        protections,
        departed: (answer) => departure?.resolve(answer),
        prepull,
        renewIdentity: () => options.renewIdentity?.(),
        update,
        execs,
        logger,
        send,
        onAssigned: options.onAssigned,
      },
      dispose() {
        protections.closed();
        heartbeat.stop();
        outbox.dispose();
        questions.dispose();
        logs.dispose();
        execs.dispose();
      },
    };
  }

  function send(message: AgentMessage): void {
    if (phase.name !== 'serving') return;
    phase.link.send(JSON.stringify(message));
    if (phase.link.bufferedBytes > maximumBufferedBytes) end(closeCodes.slowReader, 'control reads too slowly');
  }

  /** Runs what may throw because the journal cannot be read or written. */
  function guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      fail(error);
    }
  }

  function fail(error: unknown): void {
    logger.error({ error }, 'the session could not do its part');
    end(closeCodes.internalError, messageOf(error));
  }

  function end(code: number, reason: string): void {
    if (phase.name !== 'greeting' && phase.name !== 'serving') return;
    const { link } = phase;
    afterEnd(reason, code);
    link.close(code, fitReason(reason));
  }

  function giveUp(): void {
    if (phase.name !== 'serving') return;
    const { link } = phase;
    afterEnd('control is silent');
    link.terminate();
  }

  function afterEnd(because: string, code?: number): void {
    if (!('abort' in phase)) return;
    leave();
    const servedMs = phase.name === 'serving' ? clock.now() - phase.since : 0;
    if (servedMs >= steadyAfterMs) troubledSince = clock.elapsed();
    const troubleMs = clock.elapsed() - troubledSince;
    const ending = { ...(code === undefined ? {} : { code }), servedMs, attempt: phase.attempt, troubleMs };
    const next = nextTry(ending, random);
    if (next.kind === 'never') {
      logger.error({ because, code }, next.advice);
      phase = { name: 'stopped', reason: next.advice };
      options.onRefused?.(next.advice);
      return;
    }
    logger.warn({ because, code, afterMs: next.afterMs }, 'no session with control; trying again');
    const { attempt, afterMs } = next;
    const timer = clock.after(afterMs, () => void connect(attempt));
    phase = { name: 'waiting', until: clock.now() + afterMs, attempt, because, timer };
  }

  return {
    start() {
      if (phase.name !== 'stopped') return;
      troubledSince = clock.elapsed();
      void connect(0);
    },
    stop() {
      const link = 'link' in phase ? phase.link : undefined;
      leave();
      phase = { name: 'stopped', reason: 'stopped' };
      link?.close(closeCodes.goingAway, 'the agent is going down');
    },
    stateChanged() {
      const { serving } = phase.name === 'serving' ? phase : {};
      if (serving !== undefined) guarded(() => serving.context.outbox.wake());
    },
    sendTelemetry(message) {
      if (phase.name !== 'serving' || phase.link.bufferedBytes > maximumTelemetryBytes) return false;
      send(message);
      return true;
    },
    protect: protections.ask,
    goingDown() {
      if (phase.name !== 'serving') return Promise.resolve(undefined);
      const { promise, resolve } = (departure ??= Promise.withResolvers());
      send({ type: 'goingDown' });
      clock.after(departureLimitMs, () => resolve(undefined));
      return promise;
    },
    get state() {
      return stateOf(phase);
    },
  };
}

function refusePrepull(): ReturnType<ResponderContext['prepull']> {
  return Promise.resolve({ kind: 'failed', reason: 'this agent pulls no images ahead of tasks' });
}

const refuseUpdate: ResponderContext['update'] = ({ version }, report) => {
  report({ version, status: 'FAILED', reason: 'this agent does not update itself' });
  return Promise.resolve();
};

function stateOf(phase: Phase): ConnectionState {
  switch (phase.name) {
    case 'stopped':
      return { name: 'stopped', reason: phase.reason };
    case 'waiting':
      return { name: 'waiting', until: phase.until, attempt: phase.attempt, because: phase.because };
    case 'connecting':
    case 'greeting':
      return { name: phase.name, attempt: phase.attempt };
    case 'serving':
      return { name: 'serving', since: phase.since, containerInstanceArn: phase.containerInstanceArn };
  }
}

/**
 * The way to the engine: one dockerode over kept-alive connections, and the deadline, abort and error translation around each call.
 */
import { Agent as HttpAgent } from 'node:http';
import { inspect } from 'node:util';
import Docker from 'dockerode';
import type { Clock } from '#lib/clock.ts';
import { EngineError } from './container-engine.ts';
import { engineErrorOf } from './docker-errors.ts';

export interface DockerConnection {
  readonly docker: Docker;
  /** The engine's address, for messages. */
  readonly where: string;
  /** Runs one call. Rejects with EngineErrors only: `timeout` (`unreachable` for a question) after `ms`, `aborted` when `signal` aborts. */
  call<T>(request: CallRequest, run: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Opens a stream: `ms` is for the opening, `signal` ends the stream too. */
  open(
    request: CallRequest,
    run: (signal: AbortSignal) => Promise<NodeJS.ReadableStream>,
  ): Promise<AsyncIterable<Buffer>>;
  /** A GET that dockerode offers only without an abort signal. Resolves to the parsed body. */
  get(path: string, signal: AbortSignal): Promise<unknown>;
  close(): void;
}

export interface CallRequest {
  /** Names the call in a timeout's message: `create of container x`. */
  what: string;
  ms: number;
  signal?: AbortSignal | undefined;
  /** It changes nothing on the engine: without an answer nothing has happened. */
  isQuestion?: boolean;
}

/** docker-modem prints its request options for a debug log that is off; unasked, that would walk through every socket of the agent. */
class EngineAgent extends HttpAgent {
  [inspect.custom](): string {
    return 'EngineAgent';
  }
}

/** `dockerHost` is `unix:///path`, `tcp://host:port` or `http://host:port`; throws a RangeError for anything else. */
export function connectDocker({ dockerHost, clock }: { dockerHost: string; clock: Clock }): DockerConnection {
  const agent = new EngineAgent({ keepAlive: true });
  const docker = new Docker({ ...address(dockerHost), ...withAgent(agent) });

  async function call<T>(
    { what, ms, signal, isQuestion = false }: CallRequest,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const ended = endOf({ what, ms, signal, isQuestion, clock });
    try {
      // The race ends calls that dockerode cannot abort; what comes of them later is nobody's.
      return await Promise.race([run(ended.signal), ended.rejection]);
    } catch (error) {
      throw ended.reason() ?? engineErrorOf(error, dockerHost);
    } finally {
      ended.cancelTimer();
      ended.forgetCaller();
    }
  }

  async function open(
    { what, ms, signal }: CallRequest,
    run: (signal: AbortSignal) => Promise<NodeJS.ReadableStream>,
  ): Promise<AsyncIterable<Buffer>> {
    const ended = endOf({ what, ms, signal, isQuestion: true, clock });
    try {
      const stream = await Promise.race([run(ended.signal), ended.rejection]);
      stream.once('close', ended.forgetCaller);
      return buffersOf(stream);
    } catch (error) {
      ended.forgetCaller();
      throw ended.reason() ?? engineErrorOf(error, dockerHost);
    } finally {
      ended.cancelTimer();
    }
  }

  function get(path: string, signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      docker.modem.dial({ path, method: 'GET', abortSignal: signal, statusCodes: { 200: true } }, (error, body) => {
        if (error === null) resolve(body);
        else reject(error);
      });
    });
  }

  return { docker, where: dockerHost, call, open, get, close: () => agent.destroy() };
}

interface End {
  /** Aborts at the deadline and when the caller aborts. */
  signal: AbortSignal;
  rejection: Promise<never>;
  /** Why it ended before the engine answered; undefined when it did not. */
  reason(): EngineError | undefined;
  cancelTimer(): void;
  forgetCaller(): void;
}

function endOf({ what, ms, signal, isQuestion, clock }: CallRequest & { clock: Clock }): End {
  const controller = new AbortController();
  const rejection = Promise.withResolvers<never>();
  // Most calls end well and nobody is left to look at it.
  rejection.promise.catch(() => undefined);
  let reason: EngineError | undefined;
  function end(error: EngineError): void {
    reason ??= error;
    rejection.reject(reason);
    controller.abort(reason);
  }
  const lateKind = isQuestion ? 'unreachable' : 'timeout';
  const timer = clock.after(ms, () => end(new EngineError(lateKind, `${what} took longer than ${ms / 1000} s`)));
  const onAbort = (): void => end(new EngineError('aborted', `${what} was called off`, { cause: signal?.reason }));
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return {
    signal: controller.signal,
    rejection: rejection.promise,
    reason: () => reason,
    cancelTimer: () => timer.cancel(),
    forgetCaller: () => signal?.removeEventListener('abort', onAbort),
  };
}

/** dockerode promises streams of anything; the engine's are of bytes. */
export async function* buffersOf(stream: NodeJS.ReadableStream): AsyncGenerator<Buffer> {
  for await (const chunk of stream) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
}

function address(dockerHost: string): Docker.DockerOptions {
  // Everything is said here, because what is left out docker-modem takes from the environment.
  if (dockerHost.startsWith('unix://')) {
    return { socketPath: dockerHost.slice('unix://'.length), host: '', protocol: 'http', timeout: 0 };
  }
  const url = URL.parse(dockerHost);
  if (url === null || !['tcp:', 'http:'].includes(url.protocol) || url.hostname === '') {
    throw new RangeError(
      `the engine's address must be unix:///path or tcp://host:port, got ${JSON.stringify(dockerHost)}`,
    );
  }
  return { host: url.hostname, port: Number(url.port || '2375'), protocol: 'http', timeout: 0 };
}

/** The option is docker-modem's; dockerode's types do not know it. */
function withAgent(agent: HttpAgent): object {
  return { agent };
}

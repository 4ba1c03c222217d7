/**
 * A door in front of an engine: an agent that is given its address talks to the real engine, and the test sees every call and can stop one at an
 * exact moment, refuse some, let all of them hang like a dockerd that accepts and never answers, or break every connection.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testDockerHost } from './docker-test-engine.ts';

const routes = [
  ['pull', 'POST', /^\/images\/create$/],
  ['inspectImage', 'GET', /^\/images\/.+\/json$/],
  ['create', 'POST', /^\/containers\/create$/],
  ['start', 'POST', /^\/containers\/[^/]+\/start$/],
  ['stop', 'POST', /^\/containers\/[^/]+\/stop$/],
  ['remove', 'DELETE', /^\/containers\/[^/]+$/],
  ['inspect', 'GET', /^\/containers\/[^/]+\/json$/],
  ['createVolume', 'POST', /^\/volumes\/create$/],
  ['removeVolume', 'DELETE', /^\/volumes\/[^/]+$/],
] as const;

/** `other`: what is not about one task, such as events, pings and figures. */
export type CallKind = (typeof routes)[number][0] | 'other';

export interface EngineCall {
  readonly kind: CallKind;
  /** With the query, without the version. */
  readonly path: string;
}

/** `before` it reaches the engine; `after` the engine has carried it out and before its answer is passed on. */
export type Moment = 'before' | 'after';

export interface EngineProxy {
  /** For DOCKER_HOST. */
  readonly host: string;
  /** So far, in order. */
  readonly calls: readonly EngineCall[];
  /** Resolves when a call that is `wanted` has come to that moment; it goes no further, until its caller or the proxy ends. */
  standstill(moment: Moment, wanted: (call: EngineCall) => boolean): Promise<EngineCall>;
  /** From now on the engine seems to answer calls of this kind with an error in these words; none when undefined. */
  refuse(kind: CallKind, words: string | undefined): void;
  /** Everything is accepted and nothing answered. */
  hang(): void;
  /** What hung goes on. */
  goOn(): void;
  /** Breaks all connections, event streams and hanging calls too. */
  cut(): void;
  close(): Promise<void>;
}

interface Stop {
  moment: Moment;
  wanted(call: EngineCall): boolean;
  reached(call: EngineCall): void;
}

export async function openEngineProxy(engineHost = testDockerHost): Promise<EngineProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-proxy-'));
  const socketPath = engineHost.replace(/^unix:\/\//, '');
  const calls: EngineCall[] = [];
  const refusals = new Map<CallKind, string>();
  let stops: Stop[] = [];
  let gate: PromiseWithResolvers<void> | undefined;

  /** Asked once for each call and moment, so that a test may count. */
  function stopOf(call: EngineCall, moment: Moment): Stop | undefined {
    const stop = stops.find((one) => one.moment === moment && one.wanted(call));
    if (stop !== undefined) stops = stops.filter((one) => one !== stop);
    return stop;
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = callOf(request);
    calls.push(call);
    await gate?.promise;
    if (response.destroyed) return;
    const stopBefore = stopOf(call, 'before');
    if (stopBefore !== undefined) {
      stopBefore.reached(call);
      return;
    }
    const words = refusals.get(call.kind);
    if (words !== undefined) {
      response.writeHead(500, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ message: words }));
      return;
    }
    const answer = await answerOf(request, response);
    const stopAfter = stopOf(call, 'after');
    if (stopAfter !== undefined) {
      await Array.fromAsync(answer);
      stopAfter.reached(call);
      return;
    }
    await gate?.promise;
    const { 'transfer-encoding': _, connection: __, ...headers } = answer.headers;
    response.writeHead(answer.statusCode ?? 500, headers);
    response.flushHeaders();
    for await (const chunk of answer) {
      await gate?.promise;
      response.write(chunk);
    }
    response.end();
  }

  function answerOf(request: IncomingMessage, response: ServerResponse): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { method, url, headers } = request;
      const asked = ask({ socketPath, method, path: url, headers }, resolve);
      asked.once('error', reject);
      // An engine notices when its caller goes.
      response.once('close', () => asked.destroy());
      request.pipe(asked);
    });
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  const path = join(folder, 'engine.sock');
  await new Promise<void>((listening) => server.listen(path, listening));
  return {
    host: `unix://${path}`,
    calls,
    standstill(moment, wanted) {
      return new Promise((reached) => stops.push({ moment, wanted, reached }));
    },
    refuse(kind, words) {
      if (words === undefined) refusals.delete(kind);
      else refusals.set(kind, words);
    },
    hang() {
      gate ??= Promise.withResolvers();
    },
    goOn() {
      gate?.resolve();
      gate = undefined;
    },
    cut: () => server.closeAllConnections(),
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      await rm(folder, { recursive: true });
    },
  };
}

function callOf({ method, url = '' }: IncomingMessage): EngineCall {
  const path = url.replace(/^\/v1\.\d+/, '');
  const [place = ''] = path.split('?');
  return { kind: routes.find(([, verb, pattern]) => verb === method && pattern.test(place))?.[0] ?? 'other', path };
}

/**
 * The doors on control's HTTP servers: upgrades to WebSockets for agents and for those who run a command. Whoever is behind no door, shows no valid
 * token, speaks another subprotocol or knocks too often is answered in plain HTTP and never becomes a WebSocket.
 */
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import { createRepeats } from '#lib/repeats.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import { createAgentDoor } from './agent-door.ts';
import type { Door, Refusal } from './door.ts';
import { createExecDoor } from './exec-door.ts';
import { createKnockLimit } from './knock-limit.ts';
import type { Trust } from '../trust/trust.ts';
import type { Sessions } from './sessions.ts';

export interface SessionServerOptions {
  readonly sessions: Pick<Sessions, 'accept' | 'execs'>;
  /** The join token that agents of this machine present as their bearer token. */
  readonly agentToken: string;
  readonly trust: Pick<Trust, 'judge'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface SessionServer {
  /** Takes no more upgrades, says goodbye to who is connected, waits a moment for the answers and drops what is left. */
  close(): Promise<void>;
}

const closingLimitMs = 1000;
const tellEveryMs = 60_000;

/** `upgrade` requests for other paths are answered 404: nothing else on control's ports upgrades. */
export function attachSessionServer(
  httpServers: readonly (Server | TlsServer)[],
  options: SessionServerOptions,
): SessionServer {
  const { sessions, clock } = options;
  const logger = options.logger.child({ part: 'session server' });
  const doors = [createAgentDoor(options), createExecDoor(sessions.execs)].map((door) => ({
    ...door,
    webSockets: new WebSocketServer({
      noServer: true,
      maxPayload: door.maximumBytes,
      perMessageDeflate: false,
      clientTracking: false,
      handleProtocols: () => door.subprotocol,
    }),
  }));
  const knocks = createKnockLimit(clock);
  const failures = createKnockLimit(clock);
  const repeats = createRepeats(clock, tellEveryMs);
  const open = new Set<WebSocket>();
  let onAllClosed: (() => void) | undefined;

  function onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const remote = request.socket.remoteAddress ?? 'unknown';
    const onSocketError = (error: Error): void => logger.debug({ error, remote }, 'a socket failed during its upgrade');
    socket.on('error', onSocketError);
    const [path = ''] = (request.url ?? '').split('?');
    const door = doors.find(({ leadsTo }) => leadsTo(path));
    const refusal = refusalOf(request, { remote, path, door });
    if (refusal !== undefined || door === undefined) {
      const { status, reason } = refusal ?? noDoor;
      repeats.note(remote, (repeated) => logger.warn({ remote, status, reason, repeated }, 'an upgrade was refused'));
      refuse(socket, { status, reason });
      return;
    }
    door.webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off('error', onSocketError);
      const where = `${remote}:${request.socket.remotePort ?? 0}`;
      open.add(webSocket);
      webSocket.on('close', () => {
        open.delete(webSocket);
        if (open.size === 0) onAllClosed?.();
      });
      door.connect(webSocket, request, { path, where, logger: logger.child({ remote: where }) });
    });
  }

  /** Those who fail use up another limit than those who may come in: a guesser behind the address of a site keeps none of its agents out. */
  function refusalOf(
    request: IncomingMessage,
    { remote, path, door }: { remote: string; path: string; door: Door | undefined },
  ): Refusal | undefined {
    const refusal = door === undefined ? noDoor : (door.refusalOf(request, path) ?? wrongSubprotocol(request, door));
    const limit = refusal === undefined ? knocks : failures;
    return limit.admit(remote) ? refusal : { status: 429, reason: 'too many connections; wait a little' };
  }

  for (const server of httpServers) server.on('upgrade', onUpgrade);
  return {
    async close() {
      for (const server of httpServers) server.off('upgrade', onUpgrade);
      for (const { webSockets } of doors) webSockets.close();
      sessions.execs.stop();
      repeats.stop();
      if (open.size === 0) return;
      for (const webSocket of open) webSocket.close(closeCodes.goingAway, 'control is going down');
      await new Promise<void>((resolve) => {
        const timer = clock.after(closingLimitMs, resolve);
        onAllClosed = () => {
          timer.cancel();
          resolve();
        };
      });
      for (const webSocket of open) webSocket.terminate();
    },
  };
}

const noDoor: Refusal = { status: 404, reason: 'nothing upgrades here' };

function refuse(socket: Duplex, { status, reason }: Refusal): void {
  const body = `${JSON.stringify({ message: reason })}\n`;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 401 ? ['WWW-Authenticate: Bearer'] : []),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function wrongSubprotocol(request: IncomingMessage, { subprotocol }: Door): Refusal | undefined {
  if (offeredSubprotocols(request).includes(subprotocol)) return undefined;
  return { status: 400, reason: `the subprotocol is ${subprotocol}` };
}

function offeredSubprotocols(request: IncomingMessage): string[] {
  return (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
}

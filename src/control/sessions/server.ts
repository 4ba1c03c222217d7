/**
 * The door of the sessions on control's HTTP server: `GET /agent` upgrades to a WebSocket. Whoever has no valid join token, speaks another
 * subprotocol or knocks too often is answered in plain HTTP and never becomes a WebSocket. The only file of control that knows ws.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import type { Link, LinkHandlers } from '#protocol/session/link.ts';
import { maximumMessageBytes, subprotocol } from '#protocol/session/messages.ts';
import { createKnockLimit } from './knock-limit.ts';
import type { Sessions } from './sessions.ts';

export const agentPath = '/agent';

export interface SessionServerOptions {
  readonly sessions: Pick<Sessions, 'accept'>;
  /** The join token that every agent presents as its bearer token. */
  readonly agentToken: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface SessionServer {
  /** Takes no more upgrades, says goodbye to who is connected, waits a moment for the answers and drops what is left. */
  close(): Promise<void>;
}

const closingLimitMs = 1000;

/** `upgrade` requests for other paths are answered 404: nothing else on control's port upgrades. */
export function attachSessionServer(httpServer: Server, options: SessionServerOptions): SessionServer {
  const { sessions, clock } = options;
  const logger = options.logger.child({ part: 'session server' });
  const tokenHash = sha256(options.agentToken);
  const knocks = createKnockLimit(clock);
  const open = new Set<WebSocket>();
  let onAllClosed: (() => void) | undefined;
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: maximumMessageBytes,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: () => subprotocol,
  });

  function onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const remote = request.socket.remoteAddress ?? 'unknown';
    const onSocketError = (error: Error): void => logger.debug({ error, remote }, 'a socket failed during its upgrade');
    socket.on('error', onSocketError);
    const refusal = refusalOf(request, remote);
    if (refusal !== undefined) {
      logger.warn({ remote, status: refusal.status, reason: refusal.reason }, 'an upgrade was refused');
      refuse(socket, refusal);
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off('error', onSocketError);
      const where = `${remote}:${request.socket.remotePort ?? 0}`;
      open.add(webSocket);
      webSocket.on('close', () => {
        open.delete(webSocket);
        if (open.size === 0) onAllClosed?.();
      });
      connect(webSocket, (link) => sessions.accept(link, where), logger.child({ remote: where }));
    });
  }

  function refusalOf(request: IncomingMessage, remote: string): Refusal | undefined {
    const [path] = (request.url ?? '').split('?');
    if (path !== agentPath) return { status: 404, reason: `only ${agentPath} upgrades` };
    if (!knocks.admit(remote)) return { status: 429, reason: 'too many connections; wait a little' };
    if (!isAuthorized(request.headers.authorization)) return { status: 401, reason: 'no valid join token' };
    if (!offeredSubprotocols(request).includes(subprotocol)) {
      return { status: 400, reason: `the subprotocol is ${subprotocol}` };
    }
    return undefined;
  }

  /** Compares hashes, so that neither the time it takes nor the length tells anything about the token. */
  function isAuthorized(header: string | undefined): boolean {
    const [, token] = /^bearer +(\S+)$/i.exec(header ?? '') ?? [];
    return timingSafeEqual(sha256(token ?? ''), tokenHash) && token !== undefined;
  }

  httpServer.on('upgrade', onUpgrade);
  return {
    async close() {
      httpServer.off('upgrade', onUpgrade);
      webSockets.close();
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

interface Refusal {
  readonly status: 400 | 401 | 404 | 429;
  readonly reason: string;
}

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

function offeredSubprotocols(request: IncomingMessage): string[] {
  return (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function connect(webSocket: WebSocket, accept: (link: Link) => LinkHandlers, logger: Logger): void {
  const handlers = accept({
    send(text) {
      if (webSocket.readyState === webSocket.OPEN) webSocket.send(text);
    },
    get bufferedBytes() {
      return webSocket.bufferedAmount;
    },
    close: (code, reason) => webSocket.close(code, reason),
    terminate: () => webSocket.terminate(),
  });
  webSocket.on('message', (data, isBinary) => {
    if (isBinary || !Buffer.isBuffer(data)) webSocket.close(closeCodes.invalidMessage, 'messages are text');
    else handlers.message(data.toString());
  });
  webSocket.on('error', (error) => logger.warn({ error }, 'a WebSocket failed'));
  webSocket.on('close', (code, reason) => handlers.closed(code, String(reason)));
}

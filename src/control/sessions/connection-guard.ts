/**
 * Bounds what strangers can make control hold: connections on which nothing is under way (half open, in the middle of their headers or of a TLS handshake, idle
 * after an answer) are limited, for each address and in all. When there are too many the one that has waited longest is dropped: who means business sends its
 * request at once, so that a thousand idle connections of an address keep out nobody, not even others behind that address. Connections that have become
 * WebSockets are the doors' affair, and requests under way are limited by the API.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import { createRepeats } from '#lib/repeats.ts';

export interface ConnectionLimits {
  /** Of connections that wait, from one address. */
  readonly ofOneAddress: number;
  readonly inAll: number;
}

export const connectionLimits: ConnectionLimits = { ofOneAddress: 256, inAll: 4096 };

/** How often Node looks for requests that take too long to arrive; its own 30 s would make 10 s of patience 40. */
export const connectionsCheckingIntervalMs = 2000;

const tellEveryMs = 60_000;

export interface ConnectionGuard {
  /** How many wait. */
  waiting(): number;
  stop(): void;
}

export function guardConnections(
  servers: readonly (Server | TlsServer)[],
  { clock, logger, limits = connectionLimits }: { clock: Clock; logger: Logger; limits?: ConnectionLimits },
): ConnectionGuard {
  const repeats = createRepeats(clock, tellEveryMs);
  /** Those that wait, longest first. A connection goes by its peer's address and port, which TLS does not change. */
  const waiting = new Map<string, Socket>();
  const byAddress = new Map<string, Map<string, Socket>>();
  /** Whose end is listened to: a connection waits again after each of its requests. */
  const watched = new WeakSet<Socket>();

  function wait(socket: Socket): void {
    const { remoteAddress = '', remotePort = 0 } = socket;
    const key = `${remoteAddress} ${remotePort}`;
    forget(key, remoteAddress);
    if (socket.destroyed) return;
    waiting.set(key, socket);
    const own = byAddress.get(remoteAddress) ?? new Map<string, Socket>();
    byAddress.set(remoteAddress, own.set(key, socket));
    if (!watched.has(socket)) {
      watched.add(socket);
      socket.once('close', () => {
        if (waiting.get(key) === socket) forget(key, remoteAddress);
      });
    }
    if (own.size > limits.ofOneAddress) drop(own);
    else if (waiting.size > limits.inAll) drop(waiting);
  }

  function forget(key: string, address: string): void {
    waiting.delete(key);
    const own = byAddress.get(address);
    own?.delete(key);
    if (own?.size === 0) byAddress.delete(address);
  }

  function drop(among: ReadonlyMap<string, Socket>): void {
    const [key] = among.keys();
    const socket = waiting.get(key ?? '');
    if (key === undefined || socket === undefined) return;
    const [address = ''] = key.split(' ');
    forget(key, address);
    socket.destroy();
    repeats.note(address, (repeated) =>
      logger.warn(
        { remote: address, repeated },
        'too many connections wait; the one that has waited longest is dropped',
      ),
    );
  }

  function work({ socket }: IncomingMessage): void {
    const { remoteAddress = '', remotePort = 0 } = socket;
    forget(`${remoteAddress} ${remotePort}`, remoteAddress);
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    // A request whose connection has gone forgets it.
    const { socket } = request;
    work(request);
    response.once('close', () => wait(socket));
  }

  for (const server of servers) {
    server.on('connection', wait);
    // Of TLS: from then on the connection is another socket.
    server.on('secureConnection', wait);
    server.prependListener('request', onRequest);
    server.prependListener('upgrade', work);
  }
  return {
    waiting: () => waiting.size,
    stop() {
      for (const server of servers) {
        server.off('connection', wait).off('secureConnection', wait);
        server.off('request', onRequest).off('upgrade', work);
      }
      repeats.stop();
    },
  };
}

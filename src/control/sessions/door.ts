/** One kind of WebSocket that control's port upgrades to: whom it lets in, and what becomes of them. */
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import type { Logger } from '#lib/logger.ts';

export interface Door {
  readonly subprotocol: string;
  /** Of one message. */
  readonly maximumBytes: number;
  /** Whether the path (without its query) is behind this door. */
  leadsTo(path: string): boolean;
  /** Why the request does not become a WebSocket; asked before anything is spent on it, the subprotocol is checked by the server. */
  refusalOf(request: IncomingMessage, path: string): Refusal | undefined;
  /** Takes over an open WebSocket. */
  connect(
    webSocket: WebSocket,
    request: IncomingMessage,
    context: { path: string; where: string; logger: Logger },
  ): void;
}

export interface Refusal {
  readonly status: 400 | 401 | 404 | 429;
  readonly reason: string;
}

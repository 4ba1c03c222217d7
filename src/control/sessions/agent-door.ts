/** The agents' door: `/agent` with the join token as bearer token. Text frames only. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { WebSocket } from 'ws';
import type { Logger } from '#lib/logger.ts';
import { closeCodes } from '#protocol/session/close-codes.ts';
import type { Link, LinkHandlers } from '#protocol/session/link.ts';
import { maximumMessageBytes, subprotocol } from '#protocol/session/messages.ts';
import type { Door } from './door.ts';
import type { Sessions } from './sessions.ts';

export const agentPath = '/agent';

export interface AgentDoorOptions {
  readonly sessions: Pick<Sessions, 'accept'>;
  /** The join token that every agent presents as its bearer token. */
  readonly agentToken: string;
}

export function createAgentDoor({ sessions, agentToken }: AgentDoorOptions): Door {
  const tokenHash = sha256(agentToken);

  /** Compares hashes, so that neither the time it takes nor the length tells anything about the token. */
  function isAuthorized(header: string | undefined): boolean {
    const [, token] = /^bearer +(\S+)$/i.exec(header ?? '') ?? [];
    return timingSafeEqual(sha256(token ?? ''), tokenHash) && token !== undefined;
  }

  return {
    subprotocol,
    maximumBytes: maximumMessageBytes,
    leadsTo: (path) => path === agentPath,
    refusalOf: ({ headers }) =>
      isAuthorized(headers.authorization) ? undefined : { status: 401, reason: 'no valid join token' },
    connect: (webSocket, _path, { where, logger }) =>
      connect(webSocket, (link) => sessions.accept(link, where), logger),
  };
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

/**
 * The agents' door, `/agent`. Over TLS a machine shows its certificate, and the join token opens nothing; on this machine's own address the join token as bearer token. Text
 * frames only.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import { closeCodes, fitReason } from '#protocol/session/close-codes.ts';
import type { Link, LinkHandlers } from '#protocol/session/link.ts';
import { maximumMessageBytes, subprotocol } from '#protocol/session/messages.ts';
import { isOverTls, peerCertificateOf } from '../trust/peer-socket.ts';
import type { Trust } from '../trust/trust.ts';
import { createReadingPace } from './reading-pace.ts';
import { byToken, type AgentPeer } from './agent-peer.ts';
import type { Door, Refusal } from './door.ts';
import type { Sessions } from './sessions.ts';

export const agentPath = '/agent';

export interface AgentDoorOptions {
  readonly sessions: Pick<Sessions, 'accept'>;
  /** The join token that agents of this machine present as their bearer token. */
  readonly agentToken: string;
  /** Asked about connections over TLS. */
  readonly trust: Pick<Trust, 'judge'>;
  readonly clock: Clock;
}

export function createAgentDoor({ sessions, agentToken, trust, clock }: AgentDoorOptions): Door {
  const tokenHash = sha256(agentToken);

  /** Compares hashes, so that neither the time it takes nor the length tells anything about the token. */
  function isAuthorized(header: string | undefined): boolean {
    const [, token] = /^bearer +(\S+)$/i.exec(header ?? '') ?? [];
    return timingSafeEqual(sha256(token ?? ''), tokenHash) && token !== undefined;
  }

  function peerOf(request: IncomingMessage): AgentPeer | Refusal {
    if (!isOverTls(request)) {
      return isAuthorized(request.headers.authorization) ? byToken : { status: 401, reason: 'no valid join token' };
    }
    const verdict = trust.judge(peerCertificateOf(request));
    return verdict.kind === 'valid'
      ? { kind: 'certificate', certificate: verdict.peer }
      : { status: 401, reason: verdict.reason };
  }

  return {
    subprotocol,
    maximumBytes: maximumMessageBytes,
    leadsTo: (path) => path === agentPath,
    refusalOf(request) {
      const found = peerOf(request);
      return 'status' in found ? found : undefined;
    },
    connect(webSocket, request, { where, logger }) {
      const peer = peerOf(request);
      if ('status' in peer) webSocket.close(closeCodes.unauthorized, fitReason(peer.reason));
      else connect(webSocket, (link) => sessions.accept(link, where, peer), { clock, logger });
    },
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function connect(
  webSocket: WebSocket,
  accept: (link: Link) => LinkHandlers,
  { clock, logger }: { clock: Clock; logger: Logger },
): void {
  const pace = createReadingPace(clock);
  let hasBeenPaused = false;

  function listenLater(ms: number): void {
    if (!hasBeenPaused) logger.warn({ ms }, 'an agent says more than it may; it is read at a slower pace');
    hasBeenPaused = true;
    webSocket.pause();
    clock.after(ms, () => webSocket.resume(), { background: true });
  }

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
    const rest = Buffer.isBuffer(data) ? pace.heard(data.length) : 0;
    if (rest > 0 && !webSocket.isPaused) listenLater(rest);
    if (isBinary || !Buffer.isBuffer(data)) webSocket.close(closeCodes.invalidMessage, 'messages are text');
    else handlers.message(data.toString());
  });
  webSocket.on('error', (error) => logger.warn({ error }, 'a WebSocket failed'));
  webSocket.on('close', (code, reason) => handlers.closed(code, String(reason)));
}

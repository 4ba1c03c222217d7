/** The link over a WebSocket. The only file of the agent that knows ws. */
import { WebSocket } from 'ws';
import { closeCodes } from '#protocol/session/close-codes.ts';
import type { Link, LinkHandlers } from '#protocol/session/link.ts';
import { maximumMessageBytes, subprotocol } from '#protocol/session/messages.ts';
import { ConnectError, type Connector } from './connector.ts';

export interface WebSocketOptions {
  /** e.g. `ws://127.0.0.1:4566/agent`. */
  readonly url: string;
  /** Read at each attempt, so that a renewed token takes effect without a restart. */
  token(): string;
}

export function createWebSocketConnector({ url, token }: WebSocketOptions): Connector {
  return (handlers, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const webSocket = new WebSocket(url, subprotocol, {
        headers: { authorization: `Bearer ${token()}` },
        maxPayload: maximumMessageBytes,
        perMessageDeflate: false,
        followRedirects: false,
      });
      const onAbort = (): void => {
        webSocket.terminate();
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      webSocket.on('unexpected-response', (request, response) => {
        request.destroy();
        reject(refusal(response.statusCode ?? 0));
      });
      // After the opening an error is always followed by a close, which tells the rest.
      webSocket.on('error', reject);
      webSocket.once('open', () => {
        signal.removeEventListener('abort', onAbort);
        attach(webSocket, handlers);
        resolve(linkOf(webSocket));
      });
    });
}

function refusal(status: number): ConnectError {
  if (status === 401 || status === 403) {
    return new ConnectError(closeCodes.unauthorized, `control refused the join token (HTTP ${status})`);
  }
  if (status === 400) {
    return new ConnectError(closeCodes.versionMismatch, `control does not speak ${subprotocol} (HTTP ${status})`);
  }
  return new ConnectError(closeCodes.goingAway, `control answered HTTP ${status}`);
}

function attach(webSocket: WebSocket, handlers: LinkHandlers): void {
  webSocket.on('message', (data, isBinary) => {
    if (isBinary || !Buffer.isBuffer(data)) webSocket.close(closeCodes.invalidMessage, 'messages are text');
    else handlers.message(data.toString());
  });
  webSocket.on('close', (code, reason) => handlers.closed(code, String(reason)));
}

function linkOf(webSocket: WebSocket): Link {
  return {
    send(text) {
      if (webSocket.readyState === webSocket.OPEN) webSocket.send(text);
    },
    get bufferedBytes() {
      return webSocket.bufferedAmount;
    },
    close: (code, reason) => webSocket.close(code, reason),
    terminate: () => webSocket.terminate(),
  };
}

/** The link over a WebSocket. The only file of the agent that knows ws. */
import type { IncomingMessage } from 'node:http';
import { WebSocket, type ClientOptions } from 'ws';
import { closeCodes } from '#protocol/session/close-codes.ts';
import type { Link, LinkHandlers } from '#protocol/session/link.ts';
import { maximumMessageBytes, subprotocol } from '#protocol/session/messages.ts';
import { ConnectError, type Connector } from './connector.ts';

/** By which control knows the agent: the join token on control's own machine, a certificate over TLS 1.3 anywhere else. PEM. */
export type AgentCredentials =
  | { readonly kind: 'token'; readonly token: string }
  /** `ca`: by which control is known, and by nothing else. */
  | { readonly kind: 'certificate'; readonly key: string; readonly cert: string; readonly ca: string };

export interface WebSocketOptions {
  /** e.g. `ws://127.0.0.1:4566/agent`, `wss://10.0.0.5:4567/agent`. */
  readonly url: string;
  /** Asked at each attempt, so that what was renewed takes effect without a restart. */
  credentials(): AgentCredentials | Promise<AgentCredentials>;
}

export function createWebSocketConnector({ url, credentials }: WebSocketOptions): Connector {
  return async (handlers, signal) => {
    signal.throwIfAborted();
    const options = optionsOf(await credentials());
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const webSocket = new WebSocket(url, subprotocol, {
        ...options,
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
        void reasonIn(response).then((reason) => {
          request.destroy();
          reject(refusal(response.statusCode ?? 0, reason));
        });
      });
      // After the opening an error is always followed by a close, which tells the rest.
      webSocket.on('error', (error) => reject(explained(error, url)));
      webSocket.once('open', () => {
        signal.removeEventListener('abort', onAbort);
        attach(webSocket, handlers);
        resolve(linkOf(webSocket));
      });
    });
  };
}

function optionsOf(credentials: AgentCredentials): ClientOptions {
  if (credentials.kind === 'token') return { headers: { authorization: `Bearer ${credentials.token}` } };
  const { key, cert, ca } = credentials;
  return { key, cert, ca, minVersion: 'TLSv1.3' };
}

const longestReason = 1024;

/** What control says about its refusal; empty when it says nothing that can be read. */
async function reasonIn(response: IncomingMessage): Promise<string> {
  let text = '';
  try {
    for await (const chunk of response) {
      text += String(chunk);
      if (text.length > longestReason) break;
    }
    const said: unknown = JSON.parse(text);
    return typeof said === 'object' && said !== null && 'message' in said ? String(said.message) : '';
  } catch (error) {
    if (error instanceof Error) return '';
    throw error;
  }
}

/** What a person can do about it. */
function explained(error: Error, url: string): Error {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const { hostname } = new URL(url);
    return new Error(`control’s certificate does not name ${hostname}: add it to BERTH_TLS_NAMES of control`, {
      cause: error,
    });
  }
  if (code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED') {
    return new Error('control’s certificate is not valid at this machine’s time: is its clock right?', {
      cause: error,
    });
  }
  return error;
}

function refusal(status: number, reason: string): ConnectError {
  if (status === 401 || status === 403) {
    return new ConnectError(
      closeCodes.unauthorized,
      `control refused this agent: ${reason || 'it did not say why'} (HTTP ${status})`,
    );
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

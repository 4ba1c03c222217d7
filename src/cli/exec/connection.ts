/** The way to control's stream of one command, over a WebSocket. The only file of the command line that knows ws. */
import { text } from 'node:stream/consumers';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { execSubprotocol, maximumExecBytes } from '#protocol/exec/messages.ts';
import type { ExecLink, ExecLinkHandlers } from '#protocol/exec/link.ts';
import { CliError } from '../errors.ts';

export interface ExecConnectionOptions {
  url: string;
  handlers: ExecLinkHandlers;
  /** Gives up, or ends what is open. */
  signal: AbortSignal;
}

/** Rejects when control cannot be reached or refuses. */
export function connectExec({ url, handlers, signal }: ExecConnectionOptions): Promise<ExecLink> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const webSocket = new WebSocket(url, execSubprotocol, {
      maxPayload: maximumExecBytes + 1,
      perMessageDeflate: false,
      followRedirects: false,
    });
    const onAbort = (): void => {
      webSocket.terminate();
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    webSocket.on('unexpected-response', (request, response) => {
      text(response)
        .then((body) => reject(refusal(response.statusCode ?? 0, body)), reject)
        .finally(() => request.destroy());
    });
    // After the opening an error is always followed by a close, which tells the rest.
    webSocket.on('error', reject);
    webSocket.once('open', () => {
      signal.removeEventListener('abort', onAbort);
      webSocket.on('message', (data, isBinary) => {
        if (!Buffer.isBuffer(data)) return;
        if (isBinary) handlers.binary(data);
        else handlers.text(data.toString());
      });
      webSocket.on('close', (code, reason) => handlers.closed(code, String(reason)));
      resolve(linkOf(webSocket));
    });
  });
}

const Refusal = z.object({ message: z.string() });

function refusal(status: number, body: string): CliError {
  const said = Refusal.safeParse(jsonOf(body));
  return new CliError(`control refused the stream: ${said.success ? said.data.message : `HTTP ${status}`}`, {
    next: 'is a proxy in between that does not pass on WebSockets?',
  });
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function linkOf(webSocket: WebSocket): ExecLink {
  return {
    sendText(words) {
      if (webSocket.readyState === webSocket.OPEN) webSocket.send(words);
    },
    sendBinary(frame) {
      if (webSocket.readyState === webSocket.OPEN) webSocket.send(frame);
    },
    get bufferedBytes() {
      return webSocket.bufferedAmount;
    },
    close: (code, reason) => webSocket.close(code, reason),
    terminate: () => webSocket.terminate(),
  };
}

/**
 * The door of those who run a command: `/exec/<session id>`, where only an id that ExecuteCommand gave out a moment ago becomes a WebSocket. The
 * token comes in the first message, so that no log of addresses or headers holds it.
 */
import { execPath, execSubprotocol, maximumExecBytes } from '#protocol/exec/messages.ts';
import type { Door } from './door.ts';
import type { ExecBroker } from './exec-broker.ts';

export function createExecDoor(execs: Pick<ExecBroker, 'expects' | 'accept'>): Door {
  return {
    subprotocol: execSubprotocol,
    maximumBytes: maximumExecBytes + 1,
    leadsTo: (path) => path.startsWith(execPath),
    refusalOf: (_request, path) =>
      execs.expects(sessionIdIn(path))
        ? undefined
        : { status: 404, reason: 'there is no such session, it was used, or it has expired' },
    connect(webSocket, _request, { path, logger }) {
      const handlers = execs.accept(
        {
          sendText(text) {
            if (webSocket.readyState === webSocket.OPEN) webSocket.send(text);
          },
          sendBinary(frame) {
            if (webSocket.readyState === webSocket.OPEN) webSocket.send(frame);
          },
          get bufferedBytes() {
            return webSocket.bufferedAmount;
          },
          close: (code, reason) => webSocket.close(code, reason),
          terminate: () => webSocket.terminate(),
        },
        sessionIdIn(path),
      );
      webSocket.on('message', (data, isBinary) => {
        if (!Buffer.isBuffer(data)) return;
        if (isBinary) handlers.binary(data);
        else handlers.text(data.toString());
      });
      webSocket.on('error', (error) => logger.warn({ error }, 'a WebSocket failed'));
      webSocket.on('close', (code, reason) => handlers.closed(code, String(reason)));
    },
  };
}

function sessionIdIn(path: string): string {
  return path.slice(execPath.length);
}

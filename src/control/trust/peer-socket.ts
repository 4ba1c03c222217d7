/** What the connection under a request says of its peer; without loading Node's TLS where nothing listens with it. */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';

/** DER. Undefined without TLS, or when none was shown. */
export function peerCertificateOf({ socket }: Pick<IncomingMessage, 'socket'>): Uint8Array | undefined {
  return isTls(socket) ? socket.getPeerX509Certificate()?.raw : undefined;
}

export function isOverTls({ socket }: Pick<IncomingMessage, 'socket'>): boolean {
  return isTls(socket);
}

function isTls(socket: object): socket is TLSSocket {
  return 'encrypted' in socket && socket.encrypted === true;
}

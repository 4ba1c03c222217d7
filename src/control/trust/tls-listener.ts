/**
 * The address at which control is reached from other machines: what the plain listener serves, over TLS 1.3 alone. Certificates of clients are asked for and not
 * demanded, since API clients sign instead; who needs one is told by the doors. Control's own certificate is looked at every hour and after every change of the
 * authorities, and replaced without a restart; connections that are open stay.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import type { Clock, Timer } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import { daysMs } from '#model/machine-trust.ts';
import { connectionsCheckingIntervalMs } from '../sessions/connection-guard.ts';
import type { ServerIdentity } from './server-certificate.ts';
import type { Trust } from './trust.ts';

export interface TlsListenerOptions {
  readonly trust: Pick<Trust, 'serverIdentity' | 'bundle' | 'subscribe'>;
  readonly listen: { readonly host: string; readonly port: number };
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface TlsListener {
  readonly server: Server;
  close(): Promise<void>;
}

const lookEveryMs = 60 * 60 * 1000;
const handshakeTimeoutMs = 10_000;
/** As those of the plain listener (api/server.ts). */
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 30_000;
const keepAliveTimeoutMs = 75_000;
const closingLimitMs = 1000;
const alarmingMs = 14 * daysMs;

/** Rejects with the system's error when the address cannot be taken. */
export async function listenTls(options: TlsListenerOptions): Promise<TlsListener> {
  const { trust, clock } = options;
  const logger = options.logger.child({ part: 'tls' });
  let identity = await trust.serverIdentity();
  const server = createServer(
    {
      ...(await contextOf(trust, identity)),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: handshakeTimeoutMs,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: connectionsCheckingIntervalMs,
    },
    options.handle,
  );
  // Port scans and those who speak an older TLS: nothing that has to be looked at.
  server.on('tlsClientError', (error, socket) =>
    logger.debug({ error, remote: socket.remoteAddress }, 'a TLS handshake failed'),
  );

  async function look(): Promise<void> {
    try {
      const now = await trust.serverIdentity();
      const isNew = now.certificatePem !== identity.certificatePem;
      identity = now;
      server.setSecureContext(await contextOf(trust, identity));
      if (isNew) logger.info({ names: now.names, notAfter: now.notAfter }, 'control has a new certificate of its own');
    } catch (error) {
      const left = identity.notAfter - clock.now();
      logger[left < alarmingMs ? 'error' : 'warn'](
        { error, leftMs: left },
        'control’s own certificate cannot be renewed',
      );
    }
  }

  let timer: Timer;
  function lookLater(): void {
    timer = clock.after(lookEveryMs, () => void look().then(lookLater), { background: true });
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.listen, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => logger.error({ error }, 'the TLS listener failed'));
  lookLater();
  const unsubscribe = trust.subscribe(() => void look());

  return {
    server,
    async close() {
      unsubscribe();
      timer.cancel();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      const limit = clock.after(closingLimitMs, () => server.closeAllConnections());
      await closed;
      limit.cancel();
    },
  };
}

async function contextOf(trust: Pick<Trust, 'bundle'>, identity: ServerIdentity): Promise<SecureContextOptions> {
  const { keyPem: key, certificatePem: cert } = identity;
  return { key, cert, ca: await trust.bundle(), minVersion: 'TLSv1.3' };
}

/**
 * `GET /metrics` of the agent, on its own address. A taken port is no reason not to run containers: it is told, and tried again. Nothing of a
 * request but its method and path is looked at.
 */
import { createServer, type Server } from 'node:http';
import type { Clock, Timer } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import { expositionType } from './exposition.ts';

export interface MetricsServerOptions {
  readonly host: string;
  /** 0 is any. */
  readonly port: number;
  text(): string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface MetricsServer {
  start(): void;
  stop(): Promise<void>;
}

const retryMs = 30_000;
const requestTimeoutMs = 5000;

export function createMetricsServer({ host, port, text, clock, logger }: MetricsServerOptions): MetricsServer {
  let timer: Timer | undefined;
  const server: Server = createServer({ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs });
  server.maxConnections = 64;
  server.on('request', (request, response) => {
    const path = request.url?.split('?')[0];
    if (path !== '/metrics' || request.method !== 'GET') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('Not found. There is GET /metrics.\n');
      return;
    }
    response.writeHead(200, { 'content-type': expositionType }).end(text());
  });
  server.on('listening', () => logger.info({ address: server.address() }, 'the agent answers GET /metrics'));
  server.on('error', (error) => {
    logger.warn({ error, host, port }, 'the address for GET /metrics cannot be had; trying again');
    timer = clock.after(retryMs, listen, { background: true });
  });

  function listen(): void {
    server.listen(port, host);
  }

  return {
    start: listen,
    async stop() {
      timer?.cancel();
      if (!server.listening) return;
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

/**
 * A small HTTP server for the endpoints that an agent offers on its own machine. It is node:http and nothing else, because an agent is to stay
 * small. A slow or silent client is cut off after 5 s, as ecs-agent does; a request has a small body or none; every answer is JSON unless it says otherwise.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Logger } from '#lib/logger.ts';
import type { Answer, LocalRequest } from './routes.ts';

export interface LocalServer {
  /** The port it listens on. */
  readonly port: number;
  /** Cuts open connections. */
  close(): Promise<void>;
}

export interface LocalServerOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  answer(request: LocalRequest): Promise<Answer>;
  logger: Logger;
}

const timeoutMs = 5000;
const largestBodyBytes = 4096;
const mostConnections = 512;

/** Rejects as Node's `listen` does: EADDRINUSE when somebody else has the port, EADDRNOTAVAIL when the machine has no such address. */
export async function startLocalServer({ host, port, answer, logger }: LocalServerOptions): Promise<LocalServer> {
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    if (body === undefined) {
      send(response, { status: 413, json: `a request has at most ${largestBodyBytes} bytes` });
      return;
    }
    // The target may be an absolute URL; only its path and query count.
    const url = URL.parse(request.url ?? '/', 'http://local');
    if (url === null) {
      send(response, { status: 400, json: 'the target of the request cannot be read' });
      return;
    }
    const { method = 'GET' } = request;
    const peer = plainAddress(request.socket.remoteAddress);
    send(response, await answer({ method, path: url.pathname, query: url.searchParams, peer, body }));
  }

  const server = createServer(
    {
      requestTimeout: timeoutMs,
      headersTimeout: timeoutMs,
      keepAliveTimeout: timeoutMs,
      connectionsCheckingInterval: timeoutMs,
      maxHeaderSize: 8192,
    },
    (request, response) => {
      handle(request, response).catch((error: unknown) => {
        if (request.socket.destroyed) return;
        logger.error({ error, path: request.url }, 'a request to a local endpoint could not be answered');
        if (response.headersSent) response.destroy();
        else send(response, { status: 500, json: 'the agent could not answer; its log says why' });
      });
    },
  );
  server.setTimeout(timeoutMs);
  server.maxConnections = mostConnections;

  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen({ host, port, exclusive: true }, listening.resolve);
  await listening.promise;
  server.removeListener('error', listening.reject);
  server.on('error', (error) => logger.error({ error }, 'a local endpoint has trouble with its socket'));

  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    async close() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

/** Undefined when it is too large. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('a request body arrives as bytes');
    size += chunk.length;
    if (size > largestBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, answer: Answer): void {
  const [type, text] =
    'json' in answer ? ['application/json', JSON.stringify(answer.json)] : [answer.contentType, answer.text];
  response.writeHead(answer.status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    ...(answer.status === 413 ? { connection: 'close' } : {}),
  });
  response.end(text);
}

/** `::ffff:172.17.0.2` is how a socket for both families names an IPv4 peer. */
function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}

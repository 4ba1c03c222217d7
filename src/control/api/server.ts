/**
 * HTTP in: the ECS API on `POST /`, the logs of containers, and the three endpoints that watch over the service itself.
 *
 * Nothing behind the signature check sees an unsigned request. Whatever a caller sends, it gets an answer in ECS's form and the service
 * goes on: bodies, headers, waiting times, requests in flight and requests of one caller are all bounded.
 */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { deadline, type Clock } from '#lib/clock.ts';
import type { Ids } from '#lib/ids.ts';
import type { Logger } from '#lib/logger.ts';
import type { Random } from '#lib/random.ts';
import type { Realm } from '#model/arn.ts';
import { EcsError, serialization, throttled, unknownOperation } from '#protocol/ecs/errors.ts';
import { isOperationName, isUnsupportedOperationName, targetPrefix } from '#protocol/ecs/operations.ts';
import { isSsmOperationName, ssmTargetPrefix } from '#protocol/ssm/operations.ts';
import { rotationPath, trustPath } from '#protocol/trust/description.ts';
import type { Explainer } from '../reconciler/explainer.ts';
import type { ReleaseSource } from '../sessions/agent-updates.ts';
import { connectionsCheckingIntervalMs } from '../sessions/connection-guard.ts';
import type { ExecBroker } from '../sessions/exec-broker.ts';
import type { UtilisationSource } from '../sessions/telemetry.ts';
import type { Store } from '../store/store.ts';
import { createBackupDoor } from './backup.ts';
import { addDistributionRoutes, type Distribution } from './distribution.ts';
import { isOverTls } from '../trust/peer-socket.ts';
import type { Trust } from '../trust/trust.ts';
import { answerOf, createDispatcher } from './dispatch.ts';
import { findLastOutput } from './last-output.ts';
import { logLines, parseLogRequest, type LogSource } from './logs.ts';
import { createApiMetrics } from './metrics.ts';
import { createRateLimiter, type RateLimit } from './rate-limit.ts';
import { readBody } from './request-body.ts';
import { createVerifier, type Principal, type SigningKey } from './sigv4.ts';
import { answerSsm } from './ssm.ts';
import { describeTrust, rotateAuthority, type TlsAddress } from './trust-admin.ts';
import { addTrustRoutes } from './trust-routes.ts';
import { explainWhy } from './why.ts';

export interface ApiOptions {
  readonly store: Store;
  readonly realm: Realm;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly logger: Logger;
  readonly logs: LogSource;
  readonly explainer: Explainer;
  readonly execs: Pick<ExecBroker, 'grant'>;
  readonly findKey: (accessKeyId: string) => Promise<SigningKey | undefined>;
  readonly connectedAgents: () => number;
  readonly utilisation: UtilisationSource;
  readonly release: ReleaseSource;
  /** The lines of a backup of this service. */
  readonly openBackup: () => Promise<AsyncGenerator<string>>;
  readonly distribution: Distribution;
  readonly trust: Trust;
  readonly tls: TlsAddress;
  /** The certificates of a machine were revoked. */
  revoked(machineId: string): void;
  readonly limits?: Partial<ApiLimits>;
}

export interface ApiLimits {
  readonly bodyBytes: number;
  readonly requestsInFlight: number;
  readonly rate: RateLimit;
}

const defaultLimits: ApiLimits = {
  bodyBytes: 1024 * 1024,
  requestsInFlight: 1024,
  rate: { burst: 5000, perSecond: 1000 },
};

const receiveTimeoutMs = 30_000;
const headersTimeoutMs = 10_000;
/** Longer than the idle connections that SDKs keep, so that the client closes first. */
const keepAliveTimeoutMs = 75_000;
const readyDeadlineMs = 2000;

const amazonJson = 'application/x-amz-json-1.1';
const emptyBody = Buffer.alloc(0);

/** A fastify instance that is ready to listen. Closing it ends streams of logs and lets answers that are under way go out. */
export function createApi(options: ApiOptions): FastifyInstance {
  const { store, realm, clock, ids, logger, logs, explainer, findKey, connectedAgents, utilisation } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const dispatcher = createDispatcher(options);
  const verifierOf = (service: Service) =>
    createVerifier({ region: realm.region, services: [service], clock, findKey });
  const verifiers = { ecs: verifierOf('ecs'), ssm: verifierOf('ssm') };
  const metrics = createApiMetrics({ store, connectedAgents, utilisation });
  const rateLimiter = createRateLimiter(limits.rate, clock);
  const backups = createBackupDoor(options.openBackup, logger);
  const closing = new AbortController();
  let inFlight = 0;

  const app = fastify({
    logger: false,
    requestTimeout: receiveTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    http: { headersTimeout: headersTimeoutMs, connectionsCheckingInterval: connectionsCheckingIntervalMs },
    forceCloseConnections: 'idle',
    genReqId: () => ids.uuid(),
    exposeHeadRoutes: false,
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request: FastifyRequest, payload: IncomingMessage) =>
    readBody(payload, limits.bodyBytes),
  );

  async function authenticated(request: FastifyRequest, body: Buffer, service: Service = 'ecs'): Promise<Principal> {
    const { rawHeaders, method = 'GET', url = '/' } = request.raw;
    const principal = await verifiers[service]({ method, url, rawHeaders, body });
    if (!rateLimiter.admit(principal.arn)) throw throttled();
    return principal;
  }

  /** Refuses before the body is read; counts what is admitted until its answer is out. */
  function admit(reply: FastifyReply): void {
    if (inFlight >= limits.requestsInFlight) throw throttled();
    inFlight += 1;
    reply.raw.once('close', () => (inFlight -= 1));
  }

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-amzn-requestid', request.id);
    if (request.method === 'POST') admit(reply);
  });

  app.post('/', async (request, reply) => {
    const startedAt = clock.now();
    const { service, operation } = targetOf(request.headers['x-amz-target']);
    const answer = await answerApi(request, service, operation);
    const code = '__type' in answer.body ? String(answer.body.__type) : 'OK';
    const ms = clock.now() - startedAt;
    metrics.answered({ operation: seriesName(service, operation), code, seconds: ms / 1000 });
    logger.info(
      { requestId: request.id, operation, status: answer.status, code, ms, remote: request.ip },
      'API request',
    );
    return send(reply, answer);
  });

  async function answerApi(
    request: FastifyRequest,
    service: Service,
    operation: string,
  ): Promise<{ status: number; body: object }> {
    const requestId = request.id;
    try {
      const raw = Buffer.isBuffer(request.body) ? request.body : emptyBody;
      const principal = await authenticated(request, raw, service);
      if (operation === '') throw unknownOperation(String(request.headers['x-amz-target'] ?? ''));
      if (service === 'ssm') return { status: 200, body: await answerSsm(options, operation, parsedJson(raw)) };
      const origin = originOf(request);
      return await dispatcher.dispatch({ operation, body: parsedJson(raw), principal, origin, requestId });
    } catch (error) {
      return answerOf(error, { logger, operation, requestId });
    }
  }

  app.get('/berth/v1/logs', async (request, reply) => {
    try {
      await authenticated(request, emptyBody);
    } catch (error) {
      return send(reply, answerOf(error, { logger, operation: 'Logs', requestId: request.id }));
    }
    return streamLogs(request, reply);
  });

  async function streamLogs(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const gone = new AbortController();
    const signal = AbortSignal.any([gone.signal, closing.signal]);
    reply.raw.once('close', () => gone.abort());
    try {
      const wanted = await parseLogRequest(request.query, { store, realm, signal });
      const lines = logLines(logs.openLogs(wanted), (error) =>
        logger.warn({ error, requestId: request.id, taskArn: wanted.taskArn }, 'stream of logs broke off'),
      );
      return reply.type('application/x-ndjson').send(Readable.from(lines));
    } catch (error) {
      return send(reply, answerOf(error, { logger, operation: 'Logs', requestId: request.id }));
    }
  }

  app.get('/berth/v1/last-output', async (request, reply) => {
    try {
      await authenticated(request, emptyBody);
      return await findLastOutput(request.query, { store, realm });
    } catch (error) {
      return send(reply, answerOf(error, { logger, operation: 'LastOutput', requestId: request.id }));
    }
  });

  app.get('/berth/v1/why', async (request, reply) => {
    try {
      await authenticated(request, emptyBody);
      return await explainWhy(request.query, { explainer, realm });
    } catch (error) {
      return send(reply, answerOf(error, { logger, operation: 'Why', requestId: request.id }));
    }
  });

  app.get('/berth/v1/backup', async (request, reply) => {
    try {
      await authenticated(request, emptyBody);
      const stream = await backups.open();
      const stop = (): void => void stream.destroy(new Error('control is going down'));
      closing.signal.addEventListener('abort', stop, { once: true });
      stream.once('close', () => closing.signal.removeEventListener('abort', stop));
      return reply.type('application/gzip').send(stream);
    } catch (error) {
      return send(reply, answerOf(error, { logger, operation: 'Backup', requestId: request.id }));
    }
  });

  app.get(trustPath, async (request, reply) => {
    try {
      await authenticated(request, emptyBody);
      return await describeTrust(options);
    } catch (error) {
      return send(reply, answerOf(error, { logger, operation: 'Trust', requestId: request.id }));
    }
  });

  app.post(rotationPath, async (request, reply) => {
    try {
      const raw = Buffer.isBuffer(request.body) ? request.body : emptyBody;
      await authenticated(request, raw);
      return await rotateAuthority(options, parsedJson(raw));
    } catch (error) {
      return send(reply, answerOf(error, { logger, operation: 'Rotation', requestId: request.id }));
    }
  });

  addTrustRoutes(app, options);
  addDistributionRoutes(app, options);

  app.get('/healthz', async () => ({ status: 'ok' }));

  app.get('/readyz', async (_request, reply) => {
    try {
      await deadline(clock, readyDeadlineMs, 'the store', store.ping());
      return { status: 'ready' };
    } catch (error) {
      logger.warn({ error }, 'store does not answer');
      return reply.code(503).send({ status: 'not ready', reason: 'The store does not answer.' });
    }
  });

  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()));

  app.setNotFoundHandler((_request, reply) => {
    void reply.code(404).send({ message: 'Not found. The ECS API is POST / with the header X-Amz-Target.' });
  });

  app.setErrorHandler((error, request, reply) => {
    const told = transportError(error);
    const { operation } = targetOf(request.headers['x-amz-target']);
    void send(reply, answerOf(told, { logger, operation, requestId: request.id }));
  });

  app.addHook('preClose', async () => closing.abort());
  return app;
}

function send(reply: FastifyReply, { status, body }: { status: number; body: object }): FastifyReply {
  // As bytes, since fastify would add a charset to the type of a text.
  return reply
    .code(status)
    .type(amazonJson)
    .send(Buffer.from(JSON.stringify(body)));
}

/** `Host` is signed; whether a proxy took the request in over TLS, only the proxy can say. */
function originOf({ headers, raw }: FastifyRequest): string {
  const scheme = isOverTls(raw) || headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  return `${scheme}://${headers.host ?? ''}`;
}

/** As it stands in the scope of signatures. */
type Service = 'ecs' | 'ssm';

/** What `X-Amz-Target` names; the operation is empty when the header is of no service here. */
function targetOf(header: string | string[] | undefined): { service: Service; operation: string } {
  const [prefix, operation = ''] = typeof header === 'string' ? header.split(/\.(.*)/s) : [];
  if (prefix === ssmTargetPrefix) return { service: 'ssm', operation };
  return { service: 'ecs', operation: prefix === targetPrefix ? operation : '' };
}

function seriesName(service: Service, operation: string): string {
  if (service === 'ssm') return isSsmOperationName(operation) ? operation : 'unknown';
  return isOperationName(operation) || isUnsupportedOperationName(operation) ? operation : 'unknown';
}

/** An empty body is an empty request, as for AWS. */
function parsedJson(raw: Buffer): unknown {
  if (raw.length === 0) return {};
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw));
  } catch (error) {
    throw serialization('The request body is not valid JSON.', error);
  }
}

/** What fastify itself refuses in ECS's terms; anything else stays what it is. */
function transportError(error: unknown): unknown {
  if (error instanceof EcsError || !(error instanceof Error) || !('statusCode' in error)) return error;
  const isCallers = typeof error.statusCode === 'number' && error.statusCode >= 400 && error.statusCode < 500;
  return isCallers ? serialization(`The request could not be read: ${error.message}`, error) : error;
}

/**
 * How machines get and renew their certificates, and what anybody may know: the authorities' certificates. Machines are not signed in: what admits them is an activation
 * or a certificate, so that who fails often is slowed down, and bodies are small.
 */
import type { z } from 'zod';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import {
  authorityDerPath,
  bundlePath,
  confirmPath,
  joinPath,
  JoinRequest,
  maximumTrustBytes,
  renewPath,
  RenewRequest,
  type RefusalCode,
} from '#protocol/trust/messages.ts';
import { parseText, type Parsed } from '#protocol/parse-text.ts';
import { createKnockLimit } from '../sessions/knock-limit.ts';
import { refused, type Refusal } from '../trust/joining.ts';
import { isOverTls, peerCertificateOf } from '../trust/peer-socket.ts';
import type { Trust } from '../trust/trust.ts';

export interface TrustRouteOptions {
  readonly trust: Trust;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Of one address: far more than a guesser of codes may have, enough for a site of machines whose operator mistypes. */
const failuresPerWindow = { knocks: 30, windowMs: 60_000 };

const statusOf: Readonly<Record<RefusalCode, number>> = {
  InvalidRequest: 400,
  InvalidActivation: 403,
  ActivationExpired: 403,
  ActivationUsedUp: 403,
  ClusterNotFound: 403,
  AlreadyJoined: 409,
  CertificateRefused: 401,
  CertificateLapsed: 401,
  CertificateRevoked: 401,
  OtherHardware: 409,
  TooManyRequests: 429,
  TlsRequired: 403,
  InternalError: 500,
};

export function addTrustRoutes(app: FastifyInstance, { trust, clock, logger }: TrustRouteOptions): void {
  const failures = createKnockLimit(clock, failuresPerWindow);

  app.get(authorityDerPath, async (_request, reply) => {
    const { serving } = await trust.open();
    return reply.type('application/pkix-cert').send(serving.certificate.raw);
  });

  app.get(bundlePath, async (_request, reply) => reply.type('application/x-pem-file').send(await trust.bundle()));

  app.post(joinPath, (request, reply) =>
    answered(request, reply, async () => {
      const parsed = bodyOf(request, JoinRequest);
      if (!parsed.ok) return refused('InvalidRequest', parsed.problem);
      const outcome = await trust.join(parsed.message);
      return outcome.kind === 'joined' ? outcome.answer : outcome;
    }),
  );

  app.post(renewPath, (request, reply) =>
    answered(request, reply, async () => {
      const parsed = bodyOf(request, RenewRequest);
      if (!parsed.ok) return refused('InvalidRequest', parsed.problem);
      const outcome = await trust.renew(peerCertificateOf(request.raw), parsed.message);
      return outcome.kind === 'renewed' ? outcome.answer : outcome;
    }),
  );

  app.post(confirmPath, (request, reply) =>
    answered(request, reply, async () => {
      const outcome = await trust.confirm(peerCertificateOf(request.raw));
      return outcome.kind === 'confirmed' ? {} : outcome;
    }),
  );

  async function answered(
    request: FastifyRequest,
    reply: FastifyReply,
    work: () => Promise<object | Refusal>,
  ): Promise<FastifyReply> {
    const { ip: remote, url } = request;
    const outcome = await outcomeOf(request, work);
    if (!isRefusal(outcome)) return reply.send(outcome);
    const { code, message } = outcome;
    logger.warn({ remote, url, code, requestId: request.id }, 'a machine got no certificate');
    return reply.code(statusOf[code]).send({ code, message });
  }

  async function outcomeOf(request: FastifyRequest, work: () => Promise<object>): Promise<object> {
    if (!isOverTls(request.raw)) {
      return refused('TlsRequired', 'machines join over TLS: BERTH_TLS_LISTEN of control says where');
    }
    if (!failures.mayKnock(request.ip)) {
      return refused('TooManyRequests', 'too many failed attempts from this address; wait a minute');
    }
    const outcome = await attempt(request, work);
    if (isRefusal(outcome)) failures.admit(request.ip);
    return outcome;
  }

  async function attempt(request: FastifyRequest, work: () => Promise<object>): Promise<object> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Error && error.name === 'CertificateRequestError') {
        return refused('InvalidRequest', `csr: ${error.message}`);
      }
      logger.error({ error, requestId: request.id }, 'a certificate could not be issued');
      return refused('InternalError', `control could not do its part (request id ${request.id})`);
    }
  }
}

function isRefusal(outcome: object): outcome is Refusal {
  return 'kind' in outcome && outcome.kind === 'refused';
}

function bodyOf<T>(request: FastifyRequest, schema: z.ZodType<T>): Parsed<T> {
  const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  if (raw.length > maximumTrustBytes) return { ok: false, problem: `a request has at most ${maximumTrustBytes} bytes` };
  return parseText(schema, raw.toString());
}

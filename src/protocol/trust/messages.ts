/**
 * How a machine gets its certificate: `POST /join` with an activation, `POST /renew` and `POST /renew/confirm` with the certificate it has. JSON both ways, over TLS
 * alone; docs/trust.md explains who may do what. A refusal has a status of 4xx and a body of `TrustRefusal`.
 */
import { z } from 'zod';

export const joinPath = '/join';
export const renewPath = '/renew';
export const confirmPath = '/renew/confirm';
/** The serving authority's certificate, DER and PEM: whoever asks compares its fingerprint. */
export const authorityDerPath = '/ca.der';
/** Everything that is trusted, as PEM. */
export const bundlePath = '/ca.pem';

/** Far more than a request takes. */
export const maximumTrustBytes = 16 * 1024;

const pem = z.string().min(1).max(4096);
const machine = {
  hostname: z.string().max(253),
  /** As in `hello`. */
  fingerprint: z.string().min(8).max(128),
  /** A PKCS #10 request, PEM, for a key on P-256. */
  csr: pem,
};

export const JoinRequest = z.strictObject({
  activationId: z.string().min(1).max(64),
  activationCode: z.string().min(1).max(250),
  machineId: z.string().regex(/^[0-9a-f-]{8,64}$/, { error: 'expected 8 to 64 hexadecimal digits and hyphens' }),
  ...machine,
});
export type JoinRequest = z.infer<typeof JoinRequest>;

export const RenewRequest = z.strictObject(machine);
export type RenewRequest = z.infer<typeof RenewRequest>;

export const CertificateAnswer = z.object({
  /** PEM. */
  certificate: z.string(),
  /** PEM of every authority to trust from now on. */
  bundle: z.string(),
  cluster: z.string(),
});
export type CertificateAnswer = z.infer<typeof CertificateAnswer>;

export const JoinAnswer = CertificateAnswer.extend({
  /** For the machine's container instance. */
  tags: z.array(z.object({ key: z.string(), value: z.string().exactOptional() })),
});
export type JoinAnswer = z.infer<typeof JoinAnswer>;

/** Why there is no certificate. */
export const refusalCodes = [
  'InvalidRequest',
  /** There is no such activation, or the code is not its. */
  'InvalidActivation',
  'ActivationExpired',
  'ActivationUsedUp',
  'ClusterNotFound',
  /** The machine has a certificate that is valid, or is known with other hardware. */
  'AlreadyJoined',
  'CertificateRefused',
  'CertificateLapsed',
  'CertificateRevoked',
  /** The certificate was given to a machine with other hardware. */
  'OtherHardware',
  'TooManyRequests',
  'TlsRequired',
  'InternalError',
] as const;
export type RefusalCode = (typeof refusalCodes)[number];

export const TrustRefusal = z.object({ code: z.string(), message: z.string() });
export type TrustRefusal = z.infer<typeof TrustRefusal>;

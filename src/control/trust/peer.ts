/**
 * Whether a certificate that came with a TLS connection is one of a machine's, by one of our authorities, at a moment. Pure: what was revoked only the database
 * knows. That the peer holds the certificate's key, TLS has made sure of.
 */
import { X509Certificate } from 'node:crypto';
import { machineIdOfUri } from '#model/machine-trust.ts';
import type { Authority } from './authority.ts';

/** What the certificate says of a machine. Times are epoch milliseconds. */
export interface PeerCertificate {
  readonly serial: string;
  readonly machineId: string;
  readonly clusterName: string;
  /** The fingerprint of the authority that issued it. */
  readonly issuer: string;
  readonly issuedAt: number;
  readonly notAfter: number;
}

export type PeerVerdict =
  | { readonly kind: 'valid'; readonly peer: PeerCertificate }
  /** Everything is in order but the time. */
  | { readonly kind: 'lapsed'; readonly peer: PeerCertificate; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

const clientUsage = '1.3.6.1.5.5.7.3.2';

export function judgePeer(der: Uint8Array | undefined, authorities: readonly Authority[], now: number): PeerVerdict {
  if (der === undefined) return refused('no certificate was shown: join the machine with `berth agent join`');
  const certificate = parsed(der);
  if (certificate === undefined) return refused('the certificate cannot be read');
  const issuer = authorities.find((authority) => isBy(certificate, authority));
  if (issuer === undefined) return refused('the certificate is not by this control service');
  const machineId = machineOf(certificate);
  const clusterName = /^O=(.+)$/m.exec(certificate.subject)?.[1];
  if (certificate.ca || certificate.keyUsage?.includes(clientUsage) !== true) {
    return refused('the certificate is not one of a machine');
  }
  if (machineId === undefined || clusterName === undefined) return refused('the certificate names no machine');
  const peer: PeerCertificate = {
    serial: certificate.serialNumber.toLowerCase(),
    machineId,
    clusterName,
    issuer: issuer.fingerprint,
    issuedAt: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
  };
  if (now < peer.issuedAt) return refused('the certificate is not valid yet: control’s clock was set back');
  if (now >= peer.notAfter) {
    return { kind: 'lapsed', peer, reason: `the certificate lapsed at ${certificate.validToDate.toISOString()}` };
  }
  return { kind: 'valid', peer };
}

function parsed(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

function isBy(certificate: X509Certificate, { certificate: authority }: Authority): boolean {
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

function machineOf({ subjectAltName = '' }: X509Certificate): string | undefined {
  const [, uri] = /^URI:([^,\s]+)$/.exec(subjectAltName) ?? [];
  return uri === undefined ? undefined : machineIdOfUri(uri);
}

function refused(reason: string): PeerVerdict {
  return { kind: 'refused', reason };
}

/**
 * A certificate authority of control's, and what tells one from another. Fingerprints are SHA-256 over the DER of the certificate, written `sha256:<64 lower-case
 * hexadecimal digits>`, as people compare them.
 */
import { createHash, X509Certificate } from 'node:crypto';

export interface Authority {
  /** `sha256:…` */
  readonly fingerprint: string;
  readonly certificatePem: string;
  readonly certificate: X509Certificate;
}

/** Throws when the text is no certificate. */
export function authorityOf(certificatePem: string): Authority {
  const certificate = new X509Certificate(certificatePem);
  return { fingerprint: fingerprintOf(certificate.raw), certificatePem, certificate };
}

function fingerprintOf(der: Uint8Array): string {
  return `sha256:${createHash('sha256').update(der).digest('hex')}`;
}

/**
 * Control's own certificate: kept in one file with its key, made anew before it lapses, when the machine has got an address that it does not name, and when
 * another authority serves.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { readFileIfThere } from '#lib/durable-file.ts';
import type { Ids } from '#lib/ids.ts';
import { daysMs, renewalDueAt } from '#model/machine-trust.ts';
import type { Authority } from './authority.ts';
import { newSerial } from './authority-files.ts';
import { writePrivateFile } from './private-files.ts';

const serverCertificateMs = 90 * daysMs;
/** For hosts whose clocks are behind. */
const backdatedMs = daysMs;

export interface ServerIdentity {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly names: readonly string[];
  /** Epoch milliseconds. */
  readonly notAfter: number;
}

export interface ServerCertificateOptions {
  readonly home: string;
  readonly ids: Pick<Ids, 'hex'>;
  readonly now: number;
  readonly serving: Authority;
  readonly servingKey: string;
  /** What it must name, at least. */
  readonly names: readonly string[];
}

/** The one that is kept, or a new one where that will not do. */
export async function serverIdentity(options: ServerCertificateOptions): Promise<ServerIdentity> {
  const file = join(options.home, 'ca', 'server.pem');
  const kept = read(file);
  if (kept !== undefined && suffices(kept, options)) return kept.identity;
  const { ids, now, serving, servingKey } = options;
  const { makeServer } = await import('#lib/x509.ts');
  // Addresses that were ours may be ours again; only so many, lest the certificate grows for ever.
  const names = [...new Set([...options.names, ...(kept?.identity.names ?? [])])].slice(0, mostNames);
  const { keyPem, certificatePem } = await makeServer({
    authority: { keyPem: servingKey, certificatePem: serving.certificatePem },
    names: names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
    serial: newSerial(ids),
    validity: { notBefore: now - backdatedMs, notAfter: now + serverCertificateMs },
  });
  writePrivateFile(file, keyPem.trimEnd() + '\n' + certificatePem.trimEnd() + '\n');
  const made = read(file);
  if (made === undefined) throw new Error(`${file} cannot be read back`);
  return made.identity;
}

const mostNames = 64;

interface Kept {
  readonly identity: ServerIdentity;
  readonly certificate: X509Certificate;
}

/** Undefined also when it is damaged: a new one takes its place. */
function read(file: string): Kept | undefined {
  const text = readFileIfThere(file) ?? '';
  const keyPem = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(text)?.[0];
  const certificatePem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text)?.[0];
  if (keyPem === undefined || certificatePem === undefined) return undefined;
  try {
    const certificate = new X509Certificate(certificatePem);
    const names = (certificate.subjectAltName ?? '')
      .split(', ')
      .map((name) => normalAddress(name.replace(/^(DNS|IP Address):/, '')));
    const notAfter = certificate.validToDate.getTime();
    return { identity: { keyPem, certificatePem, names, notAfter }, certificate };
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

function suffices({ identity, certificate }: Kept, { serving, names, now }: ServerCertificateOptions): boolean {
  const issuedAt = certificate.validFromDate.getTime();
  return (
    certificate.checkIssued(serving.certificate) &&
    certificate.verify(serving.certificate.publicKey) &&
    now >= issuedAt &&
    now < renewalDueAt({ issuedAt: issuedAt + backdatedMs, notAfter: identity.notAfter }) &&
    names.every((name) => identity.names.includes(normalAddress(name)))
  );
}

/** Certificates print IPv6 addresses in capitals and without `::`. */
function normalAddress(name: string): string {
  if (isIP(name) !== 6) return name.toLowerCase();
  return new URL(`http://[${name}]/`).hostname.slice(1, -1);
}

/** By which names and addresses this machine may be asked for, the given ones first. */
export function namesOfThisMachine(given: readonly string[]): string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, address }) => !internal && !/^fe80:/i.test(address))
    .map(({ address }) => address);
  const names = [...given, hostname(), 'localhost', '127.0.0.1', '::1', ...addresses];
  return [...new Set(names.map(normalAddress))].slice(0, mostNames);
}

/**
 * Makes keys, certificates and requests for them. The only door to the X.509 library, which makes all of them with Node's WebCrypto: nothing in here calculates
 * anything itself. ECDSA on P-256 throughout. The library takes some 25 MB of memory and stays once it is loaded, so import this file when something is to be
 * issued, never at the start of a daemon. To check certificates Node's own X509Certificate is enough.
 */
import './reflect-metadata.ts';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  type Extension,
  type JsonGeneralNames,
  type JsonName,
} from '@peculiar/x509';

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

cryptoProvider.set(crypto);

export interface KeyAndCertificate {
  /** PKCS #8. */
  keyPem: string;
  certificatePem: string;
}

/** Epoch milliseconds; certificates know whole seconds. */
export interface Validity {
  notBefore: number;
  notAfter: number;
}

export interface AuthorityRequest {
  commonName: string;
  /** Hexadecimal digits, the first of them 1 to 7. */
  serial: string;
  validity: Validity;
}

/** A key and a certificate that may sign others, by itself. */
export async function makeAuthority({ commonName, serial, validity }: AuthorityRequest): Promise<KeyAndCertificate> {
  const keys = await makeKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serial,
    name: [{ CN: [commonName] }],
    ...datesOf(validity),
    signingAlgorithm: ecdsa,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { keyPem: await pemOf(keys.privateKey), certificatePem: certificate.toString('pem') };
}

export interface ServerRequest {
  authority: KeyAndCertificate;
  /** DNS names and IP addresses; the first is the common name. */
  names: readonly { type: 'dns' | 'ip'; value: string }[];
  serial: string;
  validity: Validity;
}

/** A key and a certificate for a TLS server. */
export async function makeServer({ authority, names, serial, validity }: ServerRequest): Promise<KeyAndCertificate> {
  const keys = await makeKeys();
  const certificate = await sign({
    authority,
    subject: [{ CN: [(names[0]?.value ?? 'berth').slice(0, 64)] }],
    publicKey: keys.publicKey,
    alternativeNames: [...names],
    usage: ExtendedKeyUsage.serverAuth,
    serial,
    validity,
  });
  return { keyPem: await pemOf(keys.privateKey), certificatePem: certificate };
}

/** The request for a certificate is damaged, not signed by its own key, or for a key of another kind. */
export class CertificateRequestError extends Error {
  override readonly name = 'CertificateRequestError';
}

export interface ClientRequest {
  authority: KeyAndCertificate;
  /** PEM. Nothing but its key is taken over. */
  request: string;
  commonName: string;
  organization: string;
  uri: string;
  serial: string;
  validity: Validity;
}

/** A certificate for a TLS client over the key of its request. Rejects with a CertificateRequestError. */
export async function signClient(options: ClientRequest): Promise<string> {
  const { authority, commonName, organization, uri, serial, validity } = options;
  return sign({
    authority,
    subject: [{ CN: [commonName] }, { O: [organization] }],
    publicKey: await requestedKey(options.request),
    alternativeNames: [{ type: 'url', value: uri }],
    usage: ExtendedKeyUsage.clientAuth,
    serial,
    validity,
  });
}

/** A new key and the request for a certificate over it. */
export async function makeRequest(): Promise<{ keyPem: string; request: string }> {
  const keys = await makeKeys();
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: ['berth'] }],
    signingAlgorithm: ecdsa,
    keys,
  });
  return { keyPem: await pemOf(keys.privateKey), request: request.toString('pem') };
}

async function requestedKey(pem: string): Promise<CryptoKey> {
  let key: CryptoKey;
  let isSigned: boolean;
  try {
    const request = new Pkcs10CertificateRequest(pem);
    isSigned = await request.verify();
    key = await request.publicKey.export();
  } catch (error) {
    throw new CertificateRequestError('the certificate request cannot be read', { cause: error });
  }
  if (!isSigned) throw new CertificateRequestError('the certificate request is not signed by its own key');
  if (!('namedCurve' in key.algorithm) || key.algorithm.namedCurve !== ecdsa.namedCurve) {
    throw new CertificateRequestError('the certificate request is not for a key on P-256');
  }
  return key;
}

interface Signing {
  authority: KeyAndCertificate;
  subject: JsonName;
  publicKey: CryptoKey;
  alternativeNames: JsonGeneralNames;
  usage: ExtendedKeyUsage;
  serial: string;
  validity: Validity;
}

async function sign(signing: Signing): Promise<string> {
  const { authority, subject, publicKey, serial, validity } = signing;
  const issuer = new X509Certificate(authority.certificatePem);
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([signing.usage]),
    new SubjectAlternativeNameExtension(signing.alternativeNames),
    await SubjectKeyIdentifierExtension.create(publicKey),
    await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
  ];
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial,
    subject,
    issuer: issuer.subjectName,
    ...datesOf(validity),
    signingAlgorithm: ecdsa,
    publicKey,
    signingKey: await keyOf(authority.keyPem),
    extensions,
  });
  return certificate.toString('pem');
}

function makeKeys(): Promise<{ publicKey: CryptoKey; privateKey: CryptoKey }> {
  return crypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
}

function datesOf({ notBefore, notAfter }: Validity): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(notBefore), notAfter: new Date(notAfter) };
}

async function pemOf(key: CryptoKey): Promise<string> {
  return PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

function keyOf(pem: string): Promise<CryptoKey> {
  return crypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(pem), ecdsa, false, ['sign']);
}

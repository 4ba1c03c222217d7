/**
 * Who this machine is to control, in its data folder: `identity.pem` with the key that was made here and the certificate over it, `ca.pem` with the authorities by which control is
 * known and no others, `joined.json` with what was told at the joining. Invariant: key and certificate belong together, since they are one file that is replaced whole, and what
 * is to be trusted is there before the certificate that came with it.
 */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readFileIfThere, writeFileDurably } from '#lib/durable-file.ts';
import { machineIdOfUri } from '#model/machine-trust.ts';
import type { Tag } from '#model/tag.ts';

export interface Identity {
  readonly keyPem: string;
  readonly certificatePem: string;
  /** PEM: every authority that control may show itself by. */
  readonly bundle: string;
  readonly machineId: string;
  readonly cluster: string;
  readonly tags: readonly Tag[];
  /** `https://host:port` of control, as it was joined. */
  readonly control: string;
  /** Epoch milliseconds, by the certificate. */
  readonly issuedAt: number;
  readonly notAfter: number;
}

export interface NewCertificate {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly bundle: string;
}

export interface IdentityFiles {
  readonly folder: string;
  /** Undefined when the machine has not joined. Throws an IdentityError when what is there cannot be used. */
  read(): Identity | undefined;
  saveJoined(certificate: NewCertificate, joined: { control: string; tags: readonly Tag[] }): void;
  saveRenewed(certificate: NewCertificate): void;
}

/** What is kept of the machine's identity is damaged. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
}

const Joined = z.object({
  control: z.string().startsWith('https://'),
  tags: z.array(z.object({ key: z.string(), value: z.string().exactOptional() })),
});

export function createIdentityFiles(folder: string): IdentityFiles {
  const identityFile = join(folder, 'identity.pem');
  const bundleFile = join(folder, 'ca.pem');
  const joinedFile = join(folder, 'joined.json');

  function saveRenewed({ keyPem, certificatePem, bundle }: NewCertificate): void {
    writeFileDurably(bundleFile, bundle);
    writeFileDurably(identityFile, `${keyPem.trim()}\n${certificatePem.trim()}\n`);
  }

  return {
    folder,
    read() {
      const text = readFileIfThere(identityFile);
      if (text === undefined) return undefined;
      try {
        return { ...parsedIdentity(text), ...parsedJoined(joinedFile), bundle: readFileSync(bundleFile, 'utf8') };
      } catch (error) {
        throw new IdentityError(`what ${folder} holds of the machine’s identity cannot be used; join it anew`, {
          cause: error,
        });
      }
    },
    saveJoined(certificate, joined) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeFileDurably(joinedFile, `${JSON.stringify(joined, undefined, 2)}\n`);
      saveRenewed(certificate);
    },
    saveRenewed,
  };
}

/** Where the agent of a machine that has joined has its session. */
export function agentUrlOf(control: string): string {
  return `${control.replace(/^https:/, 'wss:').replace(/\/+$/, '')}/agent`;
}

function parsedIdentity(text: string): Omit<Identity, 'bundle' | 'control' | 'tags'> {
  const [keyPem] = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(text) ?? [];
  const [certificatePem] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text) ?? [];
  if (keyPem === undefined || certificatePem === undefined) throw new Error('no key, or no certificate');
  const certificate = new X509Certificate(certificatePem);
  const machineId = machineIdOfUri(/^URI:(\S+)$/.exec(certificate.subjectAltName ?? '')?.[1] ?? '');
  const cluster = /^O=(.+)$/m.exec(certificate.subject)?.[1];
  if (machineId === undefined || cluster === undefined) throw new Error('the certificate names no machine');
  return {
    keyPem,
    certificatePem,
    machineId,
    cluster,
    issuedAt: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
  };
}

function parsedJoined(file: string): z.infer<typeof Joined> {
  return Joined.parse(JSON.parse(readFileSync(file, 'utf8')));
}

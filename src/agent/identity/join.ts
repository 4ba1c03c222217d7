/**
 * A machine joins: it compares the authority's fingerprint with the one that its operator was given, makes a key, which never leaves the machine, and trades an activation for a
 * certificate over it. A machine that has a certificate that holds joins no more; one whose certificate has lapsed does, and stays the machine it was.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { z } from 'zod';
import type { Clock } from '#lib/clock.ts';
import type { Ids } from '#lib/ids.ts';
import { toIsoTime } from '#lib/iso-time.ts';
import { authorityDerPath, confirmPath, JoinAnswer, joinPath } from '#protocol/trust/messages.ts';
import { machineIdIn } from '../state/machine-id.ts';
import { getUnverified, post, TrustRefusedError } from './control-requests.ts';
import { agentUrlOf, createIdentityFiles, IdentityError, type Identity, type IdentityFiles } from './identity-files.ts';

export interface JoinOptions {
  /** `https://host:port` */
  readonly control: string;
  /** `sha256:…` */
  readonly caFingerprint: string;
  readonly activationId: string;
  /** Asked only when it is needed. */
  activationCode(): Promise<string>;
  readonly dataFolder: string;
  machine(): Promise<{ hostname: string; fingerprint: string }>;
  readonly clock: Clock;
  readonly ids: Ids;
}

export type JoinOutcome = { readonly kind: 'joined' | 'already'; readonly identity: Identity };

/** The authority is another than the operator was told: somebody is between, or this is another control service. */
export class FingerprintError extends Error {
  override readonly name = 'FingerprintError';
}

/** Rejects with a FingerprintError, a TrustRefusedError, or another error when control cannot be reached. */
export async function join(options: JoinOptions): Promise<JoinOutcome> {
  const { control, dataFolder, clock } = options;
  const files = createIdentityFiles(dataFolder);
  const before = usableIdentity(files);
  const holds = before !== undefined && clock.now() < before.notAfter;
  if (holds && fingerprintsOf(before.bundle).includes(options.caFingerprint.toLowerCase())) {
    if (!(await isRefused(before, options))) return { kind: 'already', identity: before };
  }

  const der = await getUnverified(`${control}${authorityDerPath}`, clock);
  const fingerprint = fingerprintOf(der);
  if (fingerprint !== options.caFingerprint.toLowerCase()) {
    throw new FingerprintError(
      `${control} shows an authority with the fingerprint ${fingerprint}, and ${options.caFingerprint} was expected: ` +
        'this is another control service, or somebody is between; nothing was sent',
    );
  }
  const ca = new X509Certificate(der).toString();
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  const { machineId } = machineIdIn(dataFolder, options.ids);
  const { makeRequest } = await import('#lib/x509.ts');
  const { keyPem, request: csr } = await makeRequest();
  const { activationId } = options;
  const activationCode = await options.activationCode();
  const answer = await post(
    `${control}${joinPath}`,
    {
      body: { activationId, activationCode, csr, machineId, ...(await options.machine()) },
      credentials: { ca },
      schema: JoinAnswer,
    },
    clock,
  );
  const { certificate: certificatePem, bundle, tags } = answer;
  files.saveJoined({ keyPem, certificatePem, bundle }, { control, tags });
  const identity = files.read();
  if (identity === undefined) throw new Error(`${dataFolder} does not hold what was written to it`);
  return { kind: 'joined', identity };
}

/** Whether control, where it can be asked, takes the certificate no more: it was revoked. */
async function isRefused(identity: Identity, { control, clock }: JoinOptions): Promise<boolean> {
  const { bundle: ca, keyPem: key, certificatePem: cert } = identity;
  try {
    await post(`${control}${confirmPath}`, { body: {}, credentials: { ca, key, cert }, schema: z.object({}) }, clock);
    return false;
  } catch (error) {
    // Control being away is no reason to spend an activation.
    return error instanceof TrustRefusedError && error.code.startsWith('Certificate');
  }
}

function fingerprintsOf(bundle: string): string[] {
  const certificates = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return certificates.map((pem) => fingerprintOf(new X509Certificate(pem).raw));
}

function fingerprintOf(der: Uint8Array): string {
  return `sha256:${createHash('sha256').update(der).digest('hex')}`;
}

/** What is damaged is replaced by joining. */
function usableIdentity(files: IdentityFiles): Identity | undefined {
  try {
    return files.read();
  } catch (error) {
    if (error instanceof IdentityError) return undefined;
    throw error;
  }
}

/** For people, and for the installer: the settings with which the agent runs. */
export function describeIdentity({ control, cluster, machineId, notAfter }: Identity): string[] {
  return [
    `machine ${machineId}, cluster ${cluster}, certificate until ${toIsoTime(notAfter)}`,
    `BERTH_CONTROL_URL=${agentUrlOf(control)}`,
  ];
}

/** Trades the machine's certificate, which may have lapsed by up to 30 days, for a new one over a new key, and says that it has arrived. */
import { z } from 'zod';
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import { CertificateAnswer, confirmPath, renewPath } from '#protocol/trust/messages.ts';
import { post } from './control-requests.ts';
import type { Identity, IdentityFiles } from './identity-files.ts';

export interface RenewOptions {
  readonly files: IdentityFiles;
  /** `https://host:port`; where the agent has its session. */
  readonly control: string;
  machine(): Promise<{ hostname: string; fingerprint: string }>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Rejects with an IdentityError, a TrustRefusedError, or another error when control cannot be reached. */
export async function renew({ files, control, machine, clock, logger }: RenewOptions): Promise<Identity> {
  const before = files.read();
  if (before === undefined) throw new Error(`${files.folder} holds no certificate: join the machine first`);
  const { makeRequest } = await import('#lib/x509.ts');
  const { keyPem, request: csr } = await makeRequest();
  const answer = await post(
    `${control}${renewPath}`,
    {
      body: { csr, ...(await machine()) },
      credentials: { ca: before.bundle, key: before.keyPem, cert: before.certificatePem },
      schema: CertificateAnswer,
    },
    clock,
  );
  const { certificate: certificatePem, bundle } = answer;
  files.saveRenewed({ keyPem, certificatePem, bundle });
  const after = files.read();
  if (after === undefined) throw new Error(`${files.folder} does not hold what was written to it`);
  try {
    const credentials = { ca: bundle, key: keyPem, cert: certificatePem };
    await post(`${control}${confirmPath}`, { body: {}, credentials, schema: z.object({}) }, clock);
  } catch (error) {
    // The next session shows the certificate as well.
    logger.warn({ error }, 'control could not be told that the new certificate has arrived');
  }
  return after;
}

/** `GET /berth/v1/trust` and `POST /berth/v1/trust/rotation`: whom control trusts, for those who administer it. */
import type { X509Certificate } from 'node:crypto';
import { toIsoTime } from '#lib/iso-time.ts';
import { EcsError, invalidParameter } from '#protocol/ecs/errors.ts';
import { parseWith } from '#protocol/ecs/parse.ts';
import { RotationRequest, type TrustDescription } from '#protocol/trust/description.ts';
import type { Trust } from '../trust/trust.ts';

/** What the TLS listener took; undefined where there is none. */
export type TlsAddress = () => { readonly port: number; readonly names: readonly string[] } | undefined;

export interface TrustAdminOptions {
  readonly trust: Trust;
  readonly tls: TlsAddress;
}

export async function describeTrust({ trust, tls }: TrustAdminOptions): Promise<TrustDescription> {
  const { serving, issuing } = await trust.open();
  const waiting = serving.fingerprint === issuing.fingerprint ? [] : await trust.waiting();
  const listening = tls();
  const own = listening === undefined ? undefined : await trust.serverIdentity();
  return {
    serving: { fingerprint: serving.fingerprint, notAfter: endOf(serving.certificate) },
    issuing: { fingerprint: issuing.fingerprint, notAfter: endOf(issuing.certificate) },
    waiting: waiting.map(({ machineId, hostname, notAfter }) => ({
      machineId,
      hostname,
      notAfter: toIsoTime(notAfter),
    })),
    bundle: await trust.bundle(),
    ...(listening !== undefined &&
      own !== undefined && {
        tls: {
          port: listening.port,
          names: [...own.names],
          given: [...listening.names],
          notAfter: toIsoTime(own.notAfter),
        },
      }),
  };
}

/** Answers as `describeTrust`. Throws an EcsError. */
export async function rotateAuthority(options: TrustAdminOptions, body: unknown): Promise<TrustDescription> {
  const parsed = parseWith<RotationRequest>(RotationRequest, body);
  if (!parsed.ok) throw parsed.error;
  const { step, force = false } = parsed.input;
  if (step === 'begin') {
    if (!(await options.trust.beginRotation())) {
      throw invalidParameter('A rotation is under way already; finish it first.');
    }
    return describeTrust(options);
  }
  const outcome = await options.trust.finishRotation({ force });
  switch (outcome.kind) {
    case 'finished':
      return describeTrust(options);
    case 'not-begun':
      throw invalidParameter('No rotation is under way.');
    case 'waiting': {
      const names = outcome.machines.slice(0, 10).map(({ hostname, machineId }) => `${hostname} (${machineId})`);
      const more = outcome.machines.length - names.length;
      throw new EcsError(
        'ResourceInUseException',
        `${outcome.machines.length} machines have not shown a certificate by the new authority yet and would have to be joined anew: ` +
          `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}.`,
      );
    }
  }
}

function endOf({ validToDate }: X509Certificate): string {
  return toIsoTime(validToDate.getTime());
}

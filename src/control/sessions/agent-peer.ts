/**
 * By what an agent was let in, and for whom it may speak. Over TLS by its certificate: for the machine and the cluster that the certificate names, as long as it is not
 * revoked and the machine has a certificate that has not lapsed. On this machine by the join token: for any machine that has no certificate.
 */
import type { Clock, Timer } from '#lib/clock.ts';
import { clusterNameOf } from '#model/arn.ts';
import type { Logger } from '#lib/logger.ts';
import { closeCodes, type CloseCode } from '#protocol/session/close-codes.ts';
import type { Hello } from '#protocol/session/messages.ts';
import type { Store, StoreTransaction } from '../store/store.ts';
import { noteShown, refusalOfPeer, standingUntil } from '../trust/joining.ts';
import type { PeerCertificate } from '../trust/peer.ts';

export type AgentPeer =
  | { readonly kind: 'token' }
  | { readonly kind: 'certificate'; readonly certificate: PeerCertificate };

export const byToken: AgentPeer = { kind: 'token' };

export interface RefusedHello {
  readonly code: CloseCode;
  readonly reason: string;
}

/** Why this peer may not say this hello; undefined when it may. */
export async function refusalOfHello(
  tx: StoreTransaction,
  { peer, hello, now }: { peer: AgentPeer; hello: Hello; now: number },
): Promise<RefusedHello | undefined> {
  const { machineId, fingerprint } = hello;
  if (peer.kind === 'token') {
    const until = await standingUntil(tx, machineId);
    return until === undefined || until <= now
      ? undefined
      : unauthorized('the machine has a certificate: it speaks over TLS alone');
  }
  const { certificate } = peer;
  const mismatch = mismatchOf(peer, hello);
  if (mismatch !== undefined) return unauthorized(mismatch);
  const refusal = await refusalOfPeer(tx, certificate, fingerprint);
  if (refusal?.code === 'OtherHardware') return { code: closeCodes.duplicateIdentity, reason: refusal.message };
  if (refusal !== undefined) return unauthorized('the certificate was revoked');
  await noteShown(tx, certificate, now);
  return undefined;
}

function unauthorized(reason: string): RefusedHello {
  return { code: closeCodes.unauthorized, reason };
}

/** Why the peer may not speak for the machine and the cluster of its hello, whatever the database says. */
export function mismatchOf(
  peer: AgentPeer,
  { machineId, cluster }: Pick<Hello, 'machineId' | 'cluster'>,
): string | undefined {
  if (peer.kind === 'token') return undefined;
  const { certificate } = peer;
  if (certificate.machineId !== machineId) {
    return `the certificate is machine ${certificate.machineId}'s, not ${machineId}'s`;
  }
  const clusterName = clusterNameOf(cluster);
  if (certificate.clusterName !== clusterName) {
    return `the certificate is for cluster ${certificate.clusterName}, not ${clusterName}`.slice(0, 120);
  }
  return undefined;
}

const askAgainMs = 60_000;

export interface CertificateWatchOptions {
  readonly certificate: PeerCertificate;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  lapsed(): void;
}

/** Calls `lapsed` once the machine has no certificate any more that holds: it may have renewed the one that it showed. */
export function watchCertificate(options: CertificateWatchOptions): Timer {
  const { certificate, store, clock, logger } = options;
  let cancelled = false;
  let timer = clock.after(certificate.notAfter - clock.now(), () => void look(), { background: true });

  async function look(): Promise<void> {
    let again = askAgainMs;
    try {
      const until = await store.read((tx) => standingUntil(tx, certificate.machineId));
      if (cancelled) return;
      const left = Math.max(until ?? 0, certificate.notAfter) - clock.now();
      if (left <= 0) {
        options.lapsed();
        return;
      }
      again = left;
    } catch (error) {
      logger.warn({ error, machineId: certificate.machineId }, 'whether a certificate was renewed cannot be looked up');
    }
    if (!cancelled) timer = clock.after(again, () => void look(), { background: true });
  }

  return {
    cancel() {
      cancelled = true;
      timer.cancel();
    },
  };
}

/**
 * Who gets a certificate, decided inside a transaction: a machine with a valid activation, whose use is counted in the same transaction; a machine that renews. Nobody
 * gets one for a machine that has one: who stole an activation can add machines, and speak for none that is there.
 */
import { canBeSameHardware } from '#model/hardware.ts';
import { lapsedGraceMs, type Activation, type MachineCertificate } from '#model/machine-trust.ts';
import type { JoinRequest, RefusalCode } from '#protocol/trust/messages.ts';
import type { StoreTransaction } from '../store/store.ts';
import { codeFits, isExpired } from './activations.ts';
import type { PeerCertificate } from './peer.ts';

export interface Refusal {
  readonly kind: 'refused';
  readonly code: RefusalCode;
  readonly message: string;
}

export type JoinVerdict = { readonly kind: 'admitted'; readonly activation: Activation } | Refusal;

export async function judgeJoin(
  tx: StoreTransaction,
  request: Pick<JoinRequest, 'activationId' | 'activationCode' | 'machineId' | 'fingerprint'>,
  now: number,
): Promise<JoinVerdict> {
  const { activationId, activationCode, machineId, fingerprint } = request;
  const activation = await tx.activations.get(activationId);
  if (!codeFits(activation, activationCode)) {
    return refused('InvalidActivation', 'there is no such activation, or the code is not its');
  }
  if (isExpired(activation, now)) {
    return refused('ActivationExpired', 'the activation has expired; make another with `berth instance invite`');
  }
  if (activation.registrationsCount >= activation.registrationLimit) {
    return refused(
      'ActivationUsedUp',
      `the activation was used ${activation.registrationsCount} of ${activation.registrationLimit} times; make another with \`berth instance invite\``,
    );
  }
  const cluster = await tx.clusters.get(activation.clusterName);
  if (cluster?.status !== 'ACTIVE') {
    return refused('ClusterNotFound', `the activation is for the cluster ${activation.clusterName}, which is gone`);
  }
  const standing = (await tx.machineCertificates.ofMachine(machineId)).filter(isStanding);
  if (standing.some(({ notAfter }) => notAfter > now)) {
    return refused(
      'AlreadyJoined',
      `machine ${machineId} has a valid certificate; if that is lost, \`berth instance revoke ${machineId}\` first`,
    );
  }
  if (standing.some((certificate) => !canBeSameHardware(certificate.fingerprint, fingerprint))) {
    return refused(
      'AlreadyJoined',
      `machine ${machineId} has joined with other hardware: a copied disk? If not, \`berth instance revoke ${machineId}\` first`,
    );
  }
  return { kind: 'admitted', activation };
}

/** Counts the use and writes the certificate, if the machine is still admitted. */
export async function admit(
  tx: StoreTransaction,
  { request, certificate, now }: { request: JoinRequest; certificate: MachineCertificate; now: number },
): Promise<JoinVerdict> {
  const verdict = await judgeJoin(tx, request, now);
  if (verdict.kind === 'refused') return verdict;
  const { activation } = verdict;
  await tx.activations.put({ ...activation, registrationsCount: activation.registrationsCount + 1 });
  await tx.machineCertificates.put(certificate);
  return verdict;
}

/**
 * Undefined: the machine may go on with the certificate. One that the database does not know was issued after the backup it was restored from.
 * `fingerprint`: of the hardware that shows it, where that is said.
 */
export async function refusalOfPeer(
  tx: StoreTransaction,
  peer: Pick<PeerCertificate, 'serial' | 'machineId'>,
  fingerprint?: string,
): Promise<Refusal | undefined> {
  const row = await tx.machineCertificates.get(peer.serial);
  if (row?.revokedAt !== undefined) {
    return refused('CertificateRevoked', `the certificate of machine ${peer.machineId} was revoked; join it anew`);
  }
  if (row === undefined || fingerprint === undefined || canBeSameHardware(row.fingerprint, fingerprint)) {
    return undefined;
  }
  return refused(
    'OtherHardware',
    'given to other hardware: a copy removes its state folder and joins; after a repair revoke the instance, then join',
  );
}

/** The machine has the certificate: it has shown it. */
export async function noteShown(
  tx: StoreTransaction,
  { serial }: Pick<PeerCertificate, 'serial'>,
  now: number,
): Promise<void> {
  const row = await tx.machineCertificates.get(serial);
  if (row !== undefined && row.shownAt === undefined) await tx.machineCertificates.put({ ...row, shownAt: now });
}

export function isTooLate({ notAfter }: Pick<PeerCertificate, 'notAfter'>, now: number): boolean {
  return now >= notAfter + lapsedGraceMs;
}

/** Takes every certificate of a machine back. Answers how many it had that were not revoked yet. */
export async function revokeMachine(tx: StoreTransaction, machineId: string, now: number): Promise<number> {
  const standing = (await tx.machineCertificates.ofMachine(machineId)).filter(isStanding);
  for (const certificate of standing) await tx.machineCertificates.put({ ...certificate, revokedAt: now });
  return standing.length;
}

/** Until when the machine may speak by certificates that it was given, revoked ones left out; undefined when it has none. */
export async function standingUntil(tx: StoreTransaction, machineId: string): Promise<number | undefined> {
  return (await tx.machineCertificates.ofMachine(machineId)).findLast(isStanding)?.notAfter;
}

export function isStanding({ revokedAt }: MachineCertificate): boolean {
  return revokedAt === undefined;
}

export function refused(code: RefusalCode, message: string): Refusal {
  return { kind: 'refused', code, message };
}

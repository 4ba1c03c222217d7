/** What lets a machine speak for its container instance: activations, with which machines join, and the certificates that joined machines got. */
import type { Tag } from './tag.ts';

/** Leave for a number of machines to join, as `CreateActivation` of Systems Manager gives it. Times are epoch milliseconds. */
export interface Activation {
  activationId: string;
  /** SHA-256 of the code, in hexadecimal; the code itself is told once and kept nowhere. */
  codeHash: string;
  clusterName: string;
  /** Of the instances that join with it. */
  tags: readonly Tag[];
  /** As they were asked for, shown back. */
  description?: string;
  defaultInstanceName?: string;
  iamRole: string;
  registrationLimit: number;
  registrationsCount: number;
  createdAt: number;
  expiresAt: number;
}

/** A certificate that control issued to a machine. Times are epoch milliseconds. */
export interface MachineCertificate {
  /** Lower-case hexadecimal digits. */
  serial: string;
  machineId: string;
  clusterName: string;
  /** The fingerprint of the authority that issued it. */
  issuer: string;
  /** What the machine said of its hardware (hardware.ts); tells a cloned disk. */
  fingerprint: string;
  hostname: string;
  issuedAt: number;
  notAfter: number;
  /** When the machine first showed it: from then on it surely has it, and what came with it. */
  shownAt?: number;
  revokedAt?: number;
}

export const daysMs = 24 * 60 * 60 * 1000;

/** How long a certificate of a machine holds; it is renewed when two thirds are over. */
export const machineCertificateMs = 30 * daysMs;

/** For so long after its end a certificate may still be renewed: a machine that was off for its holidays does not have to be joined anew. */
export const lapsedGraceMs = 30 * daysMs;

/** Two thirds of the way. */
export function renewalDueAt({ issuedAt, notAfter }: { issuedAt: number; notAfter: number }): number {
  return issuedAt + Math.round(((notAfter - issuedAt) * 2) / 3);
}

const machineUriPrefix = 'berth:machine/';

/** As it stands in a certificate's subject alternative names. */
export function machineUri(machineId: string): string {
  return `${machineUriPrefix}${machineId}`;
}

/** Undefined when the URI names no machine. */
export function machineIdOfUri(uri: string): string | undefined {
  const id = uri.startsWith(machineUriPrefix) ? uri.slice(machineUriPrefix.length) : '';
  return isMachineId(id) ? id : undefined;
}

export function isMachineId(text: string): boolean {
  return /^[0-9a-f-]{8,64}$/.test(text);
}

/**
 * Activations: leave for a number of machines to join, for a time. The code is told once, at the creation, and kept as a hash; wrong codes and unknown ids
 * are told apart by nothing, the time it takes included. Rules and numbers are those of Systems Manager.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Ids } from '#lib/ids.ts';
import { daysMs, type Activation } from '#model/machine-trust.ts';
import type { Tag } from '#model/tag.ts';

export const defaultActivationMs = daysMs;
export const longestActivationMs = 30 * daysMs;
/** The tag that names the cluster of the machines that join. */
export const clusterTag = 'berth:cluster';

export interface NewActivation {
  readonly clusterName: string;
  readonly tags: readonly Tag[];
  readonly iamRole: string;
  readonly description?: string;
  readonly defaultInstanceName?: string;
  readonly registrationLimit: number;
  readonly expiresAt: number;
}

export function newActivation(
  ids: Ids,
  now: number,
  wanted: NewActivation,
): { activation: Activation; activationCode: string } {
  const activationCode = ids.hex(24);
  const activation = {
    ...wanted,
    activationId: ids.uuid(),
    codeHash: hashOf(activationCode),
    registrationsCount: 0,
    createdAt: now,
  };
  return { activation, activationCode };
}

/** A hash is enough: the code is 96 random bits. */
function hashOf(code: string): string {
  return createHash('sha256').update(code).digest('hex');
}

export function codeFits(activation: Activation | undefined, code: string): activation is Activation {
  const given = Buffer.from(hashOf(code), 'hex');
  const kept = Buffer.from(activation?.codeHash ?? hashOf(''), 'hex');
  return timingSafeEqual(given, kept) && activation !== undefined;
}

export function isExpired({ expiresAt }: Activation, now: number): boolean {
  return now >= expiresAt;
}

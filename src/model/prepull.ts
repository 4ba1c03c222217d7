/**
 * Images that an instance is asked to have before a deployment stops an old task there, so that nobody is without service while they are pulled, or
 * because they cannot be. Kept in the instance's row until their deployment is long over.
 */
import type { TaskDefinitionBody } from './task-definition.ts';
import { referenceAtDigest } from './image-reference.ts';

export interface PrepullImage {
  image: string;
  /** Whose credentials to pull with. */
  secret?: string;
}

export interface Prepull {
  deploymentId: string;
  images: readonly PrepullImage[];
  /** Epoch milliseconds. */
  askedAt: number;
  /** As the instance's agent told; absent while it is under way. */
  outcome?: { kind: 'pulled' } | { kind: 'failed'; reason: string };
  /** Attempts that failed, as far as its deployment has counted them. */
  failures?: number;
  /** When the instance is asked again (epoch ms); present once the failure of the outcome was counted. */
  retryAt?: number;
}

/** How far an instance is with the images of a deployment. */
export type PrepullState =
  /** It is to be asked, for the first time or again; `failures` of attempts before. */
  | { kind: 'due'; failures: number }
  /** `until`: when it is asked again if it has said nothing (epoch ms). */
  | { kind: 'underWay'; until: number; failures: number }
  /** Its deployment has yet to count the failure. */
  | { kind: 'failed'; reason: string; failures: number }
  /** It failed, and is tried again. */
  | { kind: 'held'; reason: string; retryAt: number }
  | { kind: 'pulled' };

/** Without an answer until then the instance is asked again; pulls of the same image are one. */
export const prepullLimitMs = 10 * 60_000;
const firstRetryMs = 10_000;
const longestRetryMs = 15 * 60_000;
const rememberedMs = 60 * 60_000;
const mostRemembered = 50;

/** `failures`: how many attempts have failed, at least one. */
export function prepullRetryDelay(failures: number): number {
  return Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 20));
}

export function isUnderWay({ outcome, askedAt }: Prepull, now: number): boolean {
  return outcome === undefined && askedAt + prepullLimitMs > now;
}

export function prepullState(asked: Prepull | undefined, now: number): PrepullState {
  if (asked === undefined) return { kind: 'due', failures: 0 };
  const { outcome, askedAt, retryAt, failures = 0 } = asked;
  if (outcome === undefined) {
    return isUnderWay(asked, now)
      ? { kind: 'underWay', until: askedAt + prepullLimitMs, failures }
      : { kind: 'due', failures };
  }
  if (outcome.kind === 'pulled') return { kind: 'pulled' };
  const { reason } = outcome;
  if (retryAt === undefined) return { kind: 'failed', reason, failures: failures + 1 };
  return retryAt > now ? { kind: 'held', reason, retryAt } : { kind: 'due', failures };
}

/** The pull asked for anew: what was counted before is remembered, so that the next delay is longer. */
export function askedAgain(before: Prepull | undefined, { deploymentId, images, askedAt }: Prepull): Prepull {
  const failures = before?.failures;
  return { deploymentId, images, askedAt, ...(failures === undefined ? {} : { failures }) };
}

/** With the agent's word. A failure that was told first is forgotten when another attempt turns out well; otherwise the first word counts. */
export function withOutcome(asked: Prepull, outcome: NonNullable<Prepull['outcome']>): Prepull {
  const mended = asked.outcome?.kind === 'failed' && outcome.kind === 'pulled';
  return asked.outcome === undefined || mended ? { ...asked, outcome } : asked;
}

/** The list with the prepull in front, in place of an earlier one for the same deployment, and without what is long over. */
export function withPrepull(prepulls: readonly Prepull[] | undefined, added: Prepull): readonly Prepull[] {
  const others = (prepulls ?? []).filter(
    ({ deploymentId, askedAt }) => deploymentId !== added.deploymentId && askedAt + rememberedMs > added.askedAt,
  );
  return [added, ...others].slice(0, mostRemembered);
}

/** What the tasks of a definition need; `digests` by container name, where they are pinned. */
export function imagesOf(
  { containerDefinitions }: Pick<TaskDefinitionBody, 'containerDefinitions'>,
  digestOf: (container: TaskDefinitionBody['containerDefinitions'][number]) => string | undefined,
): PrepullImage[] {
  return containerDefinitions.map((container) => {
    const digest = digestOf(container);
    const secret = container.repositoryCredentials?.credentialsParameter;
    const image =
      digest === undefined ? container.image : (referenceAtDigest(container.image, digest) ?? container.image);
    return { image, ...(secret === undefined ? {} : { secret }) };
  });
}

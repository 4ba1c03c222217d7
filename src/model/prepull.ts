/**
 * Images that an instance is asked to have before a deployment stops an old task there, so that nobody is without service while they are pulled. Kept in
 * the instance's row until their deployment is long over.
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
  /** Absent while it is under way. A pull that failed is over, too: the task that wants the image says why. */
  outcome?: { kind: 'pulled' } | { kind: 'failed'; reason: string };
}

/** Nothing waits longer for it. */
export const prepullLimitMs = 10 * 60_000;
const rememberedMs = 60 * 60_000;
const mostRemembered = 50;

export function prepullEndsAt({ askedAt }: Prepull): number {
  return askedAt + prepullLimitMs;
}

export function isUnderWay(prepull: Prepull, now: number): boolean {
  return prepull.outcome === undefined && prepullEndsAt(prepull) > now;
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

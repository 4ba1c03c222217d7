/** Whether to ask the registry for an image: ECS_IMAGE_PULL_BEHAVIOR as a pure decision. docs: ECS agent configuration. */

export const pullBehaviours = ['default', 'always', 'once', 'prefer-cached'] as const;
export type PullBehaviour = (typeof pullBehaviours)[number];

/** `made-here` has no digest of any registry: it was built, loaded or imported on this host. */
export type LocalCopy = 'none' | 'from-registry' | 'made-here';

export interface PullPlan {
  /** `no`: run the local copy. `try`: a failure leaves the local copy. `must`: a failure is the container's failure. */
  pull: 'no' | 'try' | 'must';
}

export interface PullRequest {
  local: LocalCopy;
  /** This agent has pulled that very reference at some time. */
  pulledBefore: boolean;
  /** The reference names a digest. */
  byDigest: boolean;
  /** The local copy may run without the registry's word (pull-consent.ts). */
  reusable: boolean;
}

/**
 * `default` asks the registry each time and falls back to the local copy, with two exceptions. An image that was made here: its name would mean a
 * stranger's image at Docker Hub, or nothing, so it runs as it is. And one that is wanted by its digest: the local copy is the very same.
 * `always` asks even then. Whoever may not reuse the local copy has to get it from the registry, except with `prefer-cached`, which never asks.
 */
export function planPull(behaviour: PullBehaviour, { local, pulledBefore, byDigest, reusable }: PullRequest): PullPlan {
  switch (behaviour) {
    case 'default':
      if (local === 'made-here') return { pull: 'no' };
      if (local === 'none' || !reusable) return { pull: 'must' };
      return { pull: byDigest ? 'no' : 'try' };
    case 'always':
      return { pull: 'must' };
    case 'once':
      return { pull: (pulledBefore || byDigest) && local !== 'none' && reusable ? 'no' : 'must' };
    case 'prefer-cached':
      return { pull: local === 'none' ? 'must' : 'no' };
  }
}

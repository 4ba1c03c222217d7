/**
 * Who may run a local copy without the registry's word. A repository that was pulled from with the credentials of a secret is private from then on: its
 * images serve, unasked, only containers whose credentials the registry has accepted for it before. All others have to ask. Remembered by
 * repository, because that is what registries give access to, and in the journal, because images outlive the agent. No password is kept.
 */
import { parseImageReference } from '#model/image-reference.ts';

export interface Marks {
  has(mark: string): boolean;
  add(mark: string): void;
}

export interface PullConsents {
  /** The registry gave the image; `secret`: by the credentials of that secret, otherwise by the agent's own or none. */
  given(reference: string, secret: string | undefined): void;
  mayReuse(reference: string, secret: string | undefined): boolean;
}

/** `marks` are kept among pulled references; none of these can be one, for the blank. */
export function createPullConsents(marks: Marks): PullConsents {
  return {
    given(reference, secret) {
      const repository = repositoryOf(reference);
      if (secret !== undefined) marks.add(`private ${repository}`);
      marks.add(grantOf(repository, secret));
    },
    mayReuse(reference, secret) {
      const repository = repositoryOf(reference);
      return !marks.has(`private ${repository}`) || marks.has(grantOf(repository, secret));
    },
  };
}

function grantOf(repository: string, secret: string | undefined): string {
  return secret === undefined ? `granted ${repository}` : `granted ${repository} to ${secret}`;
}

function repositoryOf(reference: string): string {
  const parsed = parseImageReference(reference);
  return parsed === undefined ? reference : `${parsed.registry}/${parsed.path}`;
}

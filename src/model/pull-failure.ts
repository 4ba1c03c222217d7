/** What failed pulls say of themselves: agents begin their reasons with these names and words, control tells the classes apart by them. */

/** By class of failure; docs/images.md. */
export const pullFailures = {
  unauthorized: { name: 'CannotPullContainerAuthError', means: 'the registry wants other credentials' },
  'no-credentials': { name: 'CannotPullContainerAuthError', means: 'there are no credentials to pull with' },
  'image-not-found': { name: 'CannotPullImageManifestError', means: 'the registry has no such image' },
  'wrong-platform': { name: 'CannotPullImageManifestError', means: 'the image is not made for this machine' },
  'rate-limited': { name: 'CannotPullContainerError', means: 'the registry limits pulls' },
  network: { name: 'CannotPullContainerError', means: 'the registry cannot be reached' },
  'disk-full': { name: 'CannotPullContainerError', means: 'there is no space left for the image' },
  timeout: { name: 'DockerTimeoutError', means: 'the pull took too long' },
} as const;

const imageFailures = (['unauthorized', 'no-credentials', 'image-not-found'] as const).map((kind) => {
  const { name, means } = pullFailures[kind];
  return `${name}: ${means}`;
});

/** Whether the reason says that the image is missing or access to it denied: no other attempt or machine would help. */
export function isImageFailure(reason: string | undefined): boolean {
  return reason !== undefined && imageFailures.some((start) => reason.startsWith(start));
}

/** Enough to know what is wrong; registries can be long-winded. */
const shortReasonLength = 300;

export function reasonInShort(reason: string): string {
  return reason.length <= shortReasonLength ? reason : `${reason.slice(0, shortReasonLength - 1)}…`;
}

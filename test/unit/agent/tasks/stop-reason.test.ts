import { expect, test } from 'vitest';
import { failureReason } from '#agent/tasks/stop-reason.ts';

test.each([
  ['unauthorized', 'CannotPullContainerAuthError: the registry wants other credentials: no'],
  ['image-not-found', 'CannotPullImageManifestError: the registry has no such image: no'],
  ['wrong-platform', 'CannotPullImageManifestError: the image is not made for this machine: no'],
  ['rate-limited', 'CannotPullContainerError: the registry limits pulls: no'],
  ['network', 'CannotPullContainerError: the registry cannot be reached: no'],
  ['disk-full', 'CannotPullContainerError: there is no space left for the image: no'],
  ['timeout', 'DockerTimeoutError: the pull took too long: no'],
  ['internal', 'CannotPullContainerError: no'],
])('a pull that failed as %s is called %s', (kind, reason) => {
  expect(failureReason('pull', { kind, message: 'no' })).toBe(reason);
});

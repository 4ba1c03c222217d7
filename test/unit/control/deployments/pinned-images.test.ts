import { describe, expect, test } from 'vitest';
import { pinnedDigestOf, withPinnedImages } from '#control/deployments/pinned-images.ts';
import { aDeployment } from '#test/support/builders/a-deployment.ts';
import { aService } from '#test/support/builders/a-service.ts';
import { aTaskContainer } from '#test/support/builders/a-task-container.ts';
import { aTask } from '#test/support/builders/a-task.ts';

const old = aDeployment({ status: 'ACTIVE', pinnedImages: { main: 'sha256:old' } });
const current = aDeployment();
const service = aService({ deployments: [current, old] });

function reported(deploymentId: string, digests: Record<string, string | undefined>) {
  const containers = Object.entries(digests).map(([name, imageDigest]) =>
    aTaskContainer({ name, ...(imageDigest === undefined ? {} : { imageDigest }) }),
  );
  return aTask({ deploymentId, containers });
}

describe('a deployment', () => {
  test('is pinned by the first task that tells digests, container by container', () => {
    const first = withPinnedImages(service, reported(current.id, { main: 'sha256:1', side: undefined }));
    const second = withPinnedImages(first, reported(current.id, { main: 'sha256:2', side: 'sha256:3' }));
    expect(first.deployments).toEqual([{ ...current, pinnedImages: { main: 'sha256:1' } }, old]);
    expect(second.deployments).toEqual([{ ...current, pinnedImages: { main: 'sha256:1', side: 'sha256:3' } }, old]);
  });

  test.each([
    ['another deployment’s task', reported('ecs-svc/0', { main: 'sha256:1' })],
    ['a task without digests: its image was made on the host', reported(current.id, { main: undefined })],
    ['a task that tells what is known', reported(old.id, { main: 'sha256:1' })],
  ])('is left as it is by %s', (_, task) => {
    expect(withPinnedImages(service, task)).toBe(service);
  });
});

describe('a container is launched', () => {
  const pinned = { web: 'sha256:1' };
  const digest = `sha256:${'7'.repeat(64)}`;

  test.each([
    ['at the digest of its deployment', { name: 'web', image: 'web:1' }, 'sha256:1'],
    ['by its tag while nothing is known', { name: 'other', image: 'web:1' }, undefined],
    ['by its tag when it says so', { name: 'web', image: 'web:1', versionConsistency: 'disabled' }, undefined],
    ['at the digest it names itself', { name: 'web', image: `web@${digest}` }, undefined],
  ] as const)('%s', (_, container, expected) => {
    expect(pinnedDigestOf(container, pinned)).toBe(expected);
    expect(pinnedDigestOf(container, undefined)).toBeUndefined();
  });
});

/**
 * The digests that a deployment's images are pinned to. The first task that reports one decides; it is never changed afterwards, so that all
 * tasks launched from then on run the same image. Images without a digest (made on a host) are not pinned.
 */
import type { ContainerDefinition } from '#model/container-definition.ts';
import { parseImageReference } from '#model/image-reference.ts';
import type { Deployment } from '#model/deployment.ts';
import type { Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';

/** The same object when the task tells nothing new of its deployment's images. */
export function withPinnedImages(service: Service, task: Pick<Task, 'deploymentId' | 'containers'>): Service {
  const deployment = service.deployments.find(({ id }) => id === task.deploymentId);
  if (deployment === undefined) return service;
  const pinnedImages = { ...deployment.pinnedImages };
  let isNews = false;
  for (const { name, imageDigest } of task.containers) {
    if (imageDigest === undefined || Object.hasOwn(pinnedImages, name)) continue;
    pinnedImages[name] = imageDigest;
    isNews = true;
  }
  if (!isNews) return service;
  const pinned: Deployment = { ...deployment, pinnedImages };
  return { ...service, deployments: service.deployments.map((other) => (other === deployment ? pinned : other)) };
}

/** The digest to launch a container with; undefined when its reference decides: not yet found out, switched off, or it names a digest itself. */
export function pinnedDigestOf(
  { name, image, versionConsistency }: Pick<ContainerDefinition, 'name' | 'image' | 'versionConsistency'>,
  pinnedImages: Deployment['pinnedImages'],
): string | undefined {
  if (versionConsistency === 'disabled' || parseImageReference(image)?.digest !== undefined) return undefined;
  return pinnedImages !== undefined && Object.hasOwn(pinnedImages, name) ? pinnedImages[name] : undefined;
}

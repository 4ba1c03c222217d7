/** I20: what a deployment was found to run is what all its later tasks run. */
import { arnId, defaultRealm, serviceArn } from '#model/arn.ts';
import type { Task } from '#model/task.ts';
import type { Change, Rows } from '../mirror.ts';
import { Violation } from '../violation.ts';

export function checkImages({ before, after }: Change<Task>, rows: Rows): void {
  if (after === undefined) return;
  const { taskArn, containers } = after;
  for (const { name, pinnedDigest, imageDigest } of containers) {
    if (pinnedDigest !== undefined && imageDigest !== undefined && pinnedDigest !== imageDigest) {
      throw new Violation('I20', `${name} of ${arnId(taskArn)} runs ${imageDigest} and was to run ${pinnedDigest}`);
    }
  }
  if (before === undefined) checkLaunch(after, rows);
}

function checkLaunch({ taskArn, clusterName, serviceName = '', deploymentId, containers }: Task, rows: Rows): void {
  const service = rows.services.get(serviceArn(defaultRealm, clusterName, serviceName));
  const pinned = service?.deployments.find(({ id }) => id === deploymentId)?.pinnedImages ?? {};
  for (const { name, pinnedDigest } of containers) {
    const digest = Object.hasOwn(pinned, name) ? pinned[name] : undefined;
    if (digest === undefined || digest === pinnedDigest) continue;
    const runs = `was launched with ${pinnedDigest ?? 'its tag'}, its deployment with ${digest}`;
    throw new Violation('I20', `${name} of ${arnId(taskArn)} ${runs}`);
  }
}

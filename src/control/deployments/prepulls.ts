/**
 * Images before stops. Where an old task has to stop before a new one can start, it runs on until its instance has the new images: then the service is
 * away for a start, not for a pull, and an image that cannot be had costs nothing. A pull that fails counts for the circuit breaker like a failed
 * start and is tried again after a growing delay; a pull that takes long is waited for.
 */
import { arnId } from '#model/arn.ts';
import { freshProgress, type Deployment } from '#model/deployment.ts';
import { prepullLimitMs, prepullRetryDelay } from '#model/prepull.ts';
import { isImageFailure, reasonInShort } from '#model/pull-failure.ts';
import type { Task } from '#model/task.ts';
import type { ServiceAction } from './actions.ts';
import { isOnDraining, isStanding, type PlanInput, type PlanWaiting } from './census.ts';
import { eventTexts } from './reasons.ts';
import type { ServiceSnapshot } from './snapshot.ts';

/** The pulls that a plan asks for or waits for; it grows as tasks are considered. */
export interface PrepullPlan {
  /** Instances to ask. */
  readonly due: Set<string>;
  /** When each is asked again if it has said nothing. */
  readonly untils: Map<string, number>;
  /** Those that could not pull, and when they are asked again. */
  readonly held: Map<string, { reason: string; retryAt: number }>;
}

export function emptyPrepullPlan(): PrepullPlan {
  return { due: new Set(), untils: new Map(), held: new Map() };
}

/**
 * Whether the task goes on for its instance's pull, which is noted: `pulls` while there is hope that it ends soon, `fails` after an attempt that
 * failed, also while the next one is under way. Only a task that serves, and that another revision replaces, does.
 */
export function goesOnForImages(task: Task, input: PlanInput, plan: PrepullPlan): 'pulls' | 'fails' | undefined {
  const { snapshot, primary, now } = input;
  const arn = task.containerInstanceArn;
  const state = arn === undefined ? undefined : snapshot.prepulls.get(arn);
  if (arn === undefined || state === undefined || task.deploymentId === primary.id) return undefined;
  if (!isStanding(task, input) || isOnDraining(task, snapshot)) return undefined;
  switch (state.kind) {
    case 'due':
      plan.due.add(arn);
      plan.untils.set(arn, now + prepullLimitMs);
      return state.failures > 0 ? 'fails' : 'pulls';
    case 'underWay':
      plan.untils.set(arn, state.until);
      return state.failures > 0 ? 'fails' : 'pulls';
    case 'failed':
      plan.held.set(arn, { reason: state.reason, retryAt: now + prepullRetryDelay(state.failures) });
      return 'fails';
    case 'held':
      plan.held.set(arn, state);
      return 'fails';
  }
}

/** How near the images are where the task is; the lower the sooner it may stop. */
export function imagesRank({ containerInstanceArn = '' }: Task, { snapshot }: PlanInput): number {
  const state = snapshot.prepulls.get(containerInstanceArn);
  if (state === undefined) return 0;
  if (state.kind === 'failed' || state.kind === 'held' || state.failures > 0) return 3;
  return state.kind === 'underWay' ? 1 : 2;
}

/** When the first of the instances that are waited for is asked again, if nothing is heard before. */
export function pullsAgainAt({ untils, held }: PrepullPlan): number | undefined {
  const times = [...untils.values(), ...[...held.values()].map(({ retryAt }) => retryAt)];
  return times.length === 0 ? undefined : Math.min(...times);
}

export function waitingForImages(plan: PrepullPlan): PlanWaiting | undefined {
  const until = pullsAgainAt(plan);
  if (until === undefined) return undefined;
  const [first] = [...plan.held].toSorted(([, a], [, b]) => a.retryAt - b.retryAt);
  if (first === undefined) return { reason: 'its images to be pulled before old tasks stop', until };
  const [arn, { reason, retryAt }] = first;
  return { reason: imagesReason(arn, reason), until: retryAt };
}

function imagesReason(containerInstanceArn: string, reason: string): string {
  const machine = `container instance ${arnId(containerInstanceArn)}`;
  return `images that could not be pulled before old tasks stop, which go on; on ${machine}: ${reasonInShort(reason)}`;
}

export interface CountedPulls {
  deployment: Deployment;
  /** To be carried out in the transaction that saves the deployment, so that each failure counts once. */
  actions: ServiceAction[];
}

/** The PRIMARY with the failures that instances have told of since the look before. */
export function countFailedPulls(
  primary: Deployment,
  { service, prepulls }: ServiceSnapshot,
  now: number,
): CountedPulls {
  const failed = [...prepulls].flatMap(([containerInstanceArn, state]) =>
    state.kind === 'failed' ? [{ containerInstanceArn, ...state }] : [],
  );
  if (failed.length === 0 || primary.rolloutState !== 'IN_PROGRESS') return { deployment: primary, actions: [] };
  const progress = primary.progress ?? freshProgress;
  const missing = progress.ran === true ? 0 : failed.filter(({ reason }) => isImageFailure(reason)).length;
  const lastFailure = failed.at(-1)?.reason;
  const pulls = failed.map(({ containerInstanceArn, failures }) => ({
    containerInstanceArn,
    failures,
    retryAt: now + prepullRetryDelay(failures),
  }));
  return {
    deployment: {
      ...primary,
      progress: {
        ...progress,
        failedPulls: (progress.failedPulls ?? 0) + failed.length,
        failures: (progress.failures ?? 0) + failed.length,
        ...(missing === 0 ? {} : { imageFailures: (progress.imageFailures ?? 0) + missing }),
        ...(lastFailure === undefined ? {} : { lastFailure: reasonInShort(lastFailure) }),
      },
    },
    actions: [
      { kind: 'holdPulls', deploymentId: primary.id, pulls },
      ...failed.map(({ containerInstanceArn, reason }): ServiceAction => {
        const message = eventTexts.unableToPull(service.serviceName, primary.id, containerInstanceArn, reason);
        return { kind: 'addEvent', message };
      }),
    ],
  };
}

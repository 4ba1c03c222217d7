/** Placement: which instances take the tasks of a request. Pure; a request sees its own placements. */
import { arnId } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { Failure } from '#model/placement.ts';
import type { Random } from '#lib/random.ts';
import { candidatesOf, occupied, type Candidate, type Occupant } from './candidate.ts';
import { createChooser, slotsOf } from './choice.ts';
import { explainRefusals } from './explain.ts';
import { refusalOf, type RefusedCandidate } from './filters.ts';
import type { PlacementRequest } from './placement-request.ts';

export interface Placement {
  containerInstanceArn: string;
  gpuIds: readonly string[];
}

export interface PlacementResult {
  /** At most `count`. */
  placements: Placement[];
  /** Why the rest found no place; absent when everything did. */
  refused?: PlacementRefusal;
}

export interface PlacementRefusal {
  /** How many tasks found no place. */
  count: number;
  /** The cluster has no instance at all, which ECS answers with an error instead of failures. */
  noInstances: boolean;
  /** One per instance, with its first reason. */
  failures: Failure[];
  /** Completes "(service web) was unable to place a task"; see explain.ts. */
  explanation: string;
}

export function place(
  request: PlacementRequest,
  instances: readonly ContainerInstance[],
  occupying: readonly Occupant[],
  random: Random,
): PlacementResult {
  return placeAmong(request, candidatesOf(instances, occupying), random);
}

/** As `place`, for callers that know the candidates already. */
export function placeAmong(
  request: PlacementRequest,
  candidates: readonly Candidate[],
  random: Random,
): PlacementResult {
  const slots = slotsOf(candidates);
  const chooser = createChooser(slots, request, random);
  const placements: Placement[] = [];
  while (placements.length < request.count) {
    const slot = chooser.next();
    if (slot === undefined) {
      const refused = slots.flatMap(({ candidate }) => refusalOf(candidate, request) ?? []);
      return { placements, refused: refusal(request.count - placements.length, slots.length === 0, refused) };
    }
    const placement = placementOn(slot.candidate, request);
    placements.push(placement);
    slot.candidate = occupied(slot.candidate, occupantOf(request, placement));
    chooser.placed(slot);
  }
  return { placements };
}

/**
 * One task on each of the given instances (StartTask, daemons): the filters hold, strategies have no say. Unknown ARNs are the
 * caller's to report.
 */
export function placeOnEach(
  request: Omit<PlacementRequest, 'count'>,
  candidates: readonly Candidate[],
): PlacementResult {
  const placements: Placement[] = [];
  const refused: RefusedCandidate[] = [];
  const whole = { ...request, count: candidates.length };
  for (const candidate of candidates) {
    const found = refusalOf(candidate, whole);
    if (found === undefined) placements.push(placementOn(candidate, whole));
    else refused.push(found);
  }
  if (refused.length === 0) return { placements };
  return { placements, refused: refusal(refused.length, false, refused) };
}

function placementOn({ instance, remaining }: Candidate, { resources }: PlacementRequest): Placement {
  return {
    containerInstanceArn: instance.containerInstanceArn,
    gpuIds: remaining.gpuIds.slice(0, resources.gpuCount),
  };
}

/** The task that a placement makes, as later placements see it. */
export function occupantOf(request: PlacementRequest, { containerInstanceArn, gpuIds }: Placement): Occupant {
  const { group, serviceName, resources } = request;
  return {
    containerInstanceArn,
    group,
    ...(serviceName === undefined ? {} : { serviceName }),
    desiredStatus: 'RUNNING',
    lastStatus: 'PENDING',
    resources,
    gpuIds,
  };
}

function refusal(count: number, noInstances: boolean, refused: readonly RefusedCandidate[]): PlacementRefusal {
  const failures = refused.map(({ candidate, refusal: { reason, detail } }) => ({
    arn: candidate.instance.containerInstanceArn,
    reason,
    detail,
  }));
  const explanation = explainRefusals(
    refused.map(({ candidate, refusal: { sentence }, filter, passed }) => ({
      instanceId: arnId(candidate.instance.containerInstanceArn),
      sentence,
      filter: filter.name,
      explainAll: filter.explain,
      passed,
    })),
  );
  return { count, noInstances, failures, explanation };
}

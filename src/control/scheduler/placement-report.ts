/**
 * Why tasks find no place, for people: how many instances each filter refuses, and what exactly is missing on the nearest ones. It asks the very
 * filters that placement asks (filters.ts), all of them on the nearest instances instead of the first that says no.
 */
import { arnId } from '#model/arn.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { PlacementFailureReason } from '#model/placement.ts';
import { samePort, type HostPort } from '#model/resources.ts';
import { candidatesOf, type Candidate, type Occupant } from './candidate.ts';
import { placementFilters, refusalOf, type RefusedCandidate } from './filters.ts';
import type { PlacementRequest } from './placement-request.ts';

export interface PlacementReport {
  /** How many instances were asked. */
  instances: number;
  /** How many would take one task now. */
  fitting: number;
  /** By the filter that says no first, in the order in which they are asked. */
  refusals: FilterRefusals[];
  /** Best first, at most `mostNearest`; empty when every instance fits. */
  nearest: NearestInstance[];
}

export interface FilterRefusals {
  filter: string;
  reason: PlacementFailureReason;
  count: number;
  /** "2 instances have insufficient memory" */
  text: string;
}

export interface NearestInstance {
  containerInstanceArn: string;
  hostname: string;
  /** Everything it would need to take a task, in the order in which it is asked. */
  missing: MissingRequirement[];
}

export interface MissingRequirement {
  filter: string;
  reason: PlacementFailureReason;
  /** "needs 2048 MiB of memory, 812 free of 3904; 3 tasks occupy 3092" */
  text: string;
}

/** However many instances there are, the answer stays short. */
const mostNearest = 3;
/** Of long lists of tasks. */
const mostNamed = 3;

/**
 * The nearest instance is the one that got furthest before a filter said no, as in the service's event; among equals the one that the fewest filters
 * refuse, then the one that lacks least of what the task needs, then the lowest ARN.
 */
export function reportPlacement(
  request: PlacementRequest,
  instances: readonly ContainerInstance[],
  occupying: readonly Occupant[],
): PlacementReport {
  return reportPlacementAmong(request, candidatesOf(instances, occupying));
}

/** As `reportPlacement`, for callers that know the candidates already. */
export function reportPlacementAmong(request: PlacementRequest, candidates: readonly Candidate[]): PlacementReport {
  const refused = candidates.flatMap((candidate) => refusalOf(candidate, request) ?? []);
  return {
    instances: candidates.length,
    fitting: candidates.length - refused.length,
    refusals: refusalsByFilter(refused),
    nearest: nearestOf(refused, request),
  };
}

function refusalsByFilter(refused: readonly RefusedCandidate[]): FilterRefusals[] {
  const groups = [...Map.groupBy(refused, ({ filter }) => filter)];
  return groups
    .toSorted(([a], [b]) => placementFilters.indexOf(a) - placementFilters.indexOf(b))
    .map(([filter, group]) => ({
      filter: filter.name,
      reason: group[0]?.refusal.reason ?? 'LOCATION',
      count: group.length,
      text: filter.explain(group.length),
    }));
}

interface Measured {
  refused: RefusedCandidate;
  missing: MissingRequirement[];
  lack: number;
}

function nearestOf(refused: readonly RefusedCandidate[], request: PlacementRequest): NearestInstance[] {
  const nearest: NearestInstance[] = [];
  const byProgress = [...Map.groupBy(refused, ({ passed }) => passed)].toSorted(([a], [b]) => b - a);
  for (const [, equals] of byProgress) {
    if (nearest.length >= mostNearest) break;
    const measured = equals.map((one): Measured => measure(one, request)).toSorted(compareMeasured);
    for (const { refused: one, missing } of measured.slice(0, mostNearest - nearest.length)) {
      const { containerInstanceArn, hostname } = one.candidate.instance;
      nearest.push({ containerInstanceArn, hostname, missing });
    }
  }
  return nearest;
}

function measure(refused: RefusedCandidate, request: PlacementRequest): Measured {
  const { candidate } = refused;
  const all = placementFilters.flatMap((filter) => refusalOf(candidate, request, [filter]) ?? []);
  const missing = all.map(({ filter, refusal }) => ({
    filter: filter.name,
    reason: refusal.reason,
    text: exactText(filter.name, candidate, request) ?? refusal.detail,
  }));
  return { refused, missing, lack: lackOf(candidate, request) };
}

function compareMeasured(a: Measured, b: Measured): number {
  if (a.missing.length !== b.missing.length) return a.missing.length - b.missing.length;
  if (a.lack !== b.lack) return a.lack - b.lack;
  return arnOf(a) < arnOf(b) ? -1 : 1;
}

function arnOf({ refused }: Measured): string {
  return refused.candidate.instance.containerInstanceArn;
}

/** Which share of what the task needs is not free, summed over what is counted; 0 when it has room. */
function lackOf({ remaining }: Candidate, { resources: wanted }: PlacementRequest): number {
  const share = (needed: number, free: number): number => (needed <= free ? 0 : (needed - Math.max(0, free)) / needed);
  const taken = wanted.ports.filter((port) => remaining.takenPorts.some((other) => samePort(port, other)));
  return (
    share(wanted.cpu, remaining.cpu) +
    share(wanted.memoryMiB, remaining.memoryMiB) +
    share(wanted.gpuCount, remaining.gpuIds.length) +
    share(wanted.ports.length, wanted.ports.length - taken.length)
  );
}

/** The refusal with its numbers and the tasks in the way; undefined where the filter's own words say it all. */
function exactText(filter: string, candidate: Candidate, request: PlacementRequest): string | undefined {
  const { instance, occupants, remaining } = candidate;
  const { resources: wanted } = request;
  switch (filter) {
    case 'RESOURCE:CPU':
      return amountText(wanted.cpu, remaining.cpu, instance.resources.cpu, { unit: 'CPU units', occupants });
    case 'RESOURCE:MEMORY':
      return amountText(wanted.memoryMiB, remaining.memoryMiB, instance.resources.memoryMiB, {
        unit: 'MiB of memory',
        occupants,
      });
    case 'RESOURCE:GPU':
      return amountText(wanted.gpuCount, remaining.gpuIds.length, instance.resources.gpuIds.length, {
        unit: 'GPUs',
        occupants: occupants.filter(({ gpuIds }) => gpuIds.length > 0),
      });
    case 'RESOURCE:PORTS':
      return wanted.ports.flatMap((port) => portText(port, candidate) ?? []).join('; ');
    case 'distinctInstance': {
      const same = occupants.filter(
        ({ group, desiredStatus }) => group === request.group && desiredStatus === 'RUNNING',
      );
      return `distinctInstance: ${namesOf(same)} of the group ${request.group} ${same.length === 1 ? 'is' : 'are'} there already`;
    }
    default:
      return undefined;
  }
}

function amountText(
  needed: number,
  remaining: number,
  total: number,
  { unit, occupants }: { unit: string; occupants: readonly Occupant[] },
): string {
  if (needed > total) return `needs ${needed} ${unit}, and the instance has ${total} in all`;
  const free = Math.max(0, remaining);
  const who = occupants.length === 1 ? '1 task occupies' : `${occupants.length} tasks occupy`;
  return `needs ${needed} ${unit}, ${free} free of ${total}; ${who} ${total - remaining}`;
}

function portText(port: HostPort, { instance, occupants }: Candidate): string | undefined {
  const name = `${port.port}/${port.protocol}`;
  const users = occupants.filter(({ resources }) => resources.ports.some((other) => samePort(port, other)));
  if (users.length > 0) return `needs host port ${name}, which ${namesOf(users)} (${users[0]?.group ?? ''}) has`;
  const isTaken = instance.resources.takenPorts.some((other) => samePort(port, other));
  return isTaken ? `needs host port ${name}, which the machine itself uses or keeps back` : undefined;
}

/** "task 0123abcd", "tasks 0123abcd and 4567cdef", "5 tasks". */
function namesOf(occupants: readonly Occupant[]): string {
  const ids = occupants.flatMap(({ taskArn }) => (taskArn === undefined ? [] : arnId(taskArn)));
  if (ids.length === 0 || ids.length > mostNamed)
    return occupants.length === 1 ? '1 task' : `${occupants.length} tasks`;
  return `${ids.length === 1 ? 'task' : 'tasks'} ${ids.join(' and ')}`;
}

/**
 * The hard conditions of placement, in the order in which they are asked: may the machine take tasks at all, can it do what the task
 * needs, is it where the task wants to be, has it room. An instance's refusal is that of its first filter that says no; the instance
 * that got furthest is the closest match.
 */
import { missingAttributes } from '#model/attributes.ts';
import type { PlacementConstraint, PlacementFailureReason } from '#model/placement.ts';
import { shortages, type ResourceShortage } from '#model/resources.ts';
import { queriedInstance, type Candidate } from './candidate.ts';
import { launchTypeAttributes, type PlacementRequest } from './placement-request.ts';
import { evaluateQuery } from './query-evaluator.ts';
import { parseQuery } from './query-parser.ts';

export interface Refusal {
  reason: PlacementFailureReason;
  detail: string;
  /** Completes "The closest matching container-instance … ". */
  sentence: string;
}

export interface PlacementFilter {
  readonly name: string;
  applies(request: PlacementRequest): boolean;
  check(candidate: Candidate, request: PlacementRequest): Refusal | undefined;
  /** What the filter refused, for `count` instances: "2 instances have insufficient memory". */
  explain(count: number): string;
}

const always = (): boolean => true;

const active: PlacementFilter = {
  name: 'active',
  applies: always,
  check({ instance }) {
    if (instance.status === 'ACTIVE') return undefined;
    const detail = `the container instance is ${instance.status}`;
    return { reason: 'INACTIVE', detail, sentence: `is ${instance.status}` };
  },
  explain: (count) => `${instances(count, 'is', 'are')} not ACTIVE`,
};

const agent: PlacementFilter = {
  name: 'agent',
  applies: always,
  check({ instance }) {
    if (instance.agentConnected) return undefined;
    return { reason: 'AGENT', detail: "the instance's agent is disconnected", sentence: 'encountered error "AGENT"' };
  },
  explain: (count) => `${instances(count, 'has', 'have')} a disconnected agent`,
};

const health: PlacementFilter = {
  name: 'health',
  applies: always,
  check({ instance }) {
    if (instance.health.status !== 'IMPAIRED') return undefined;
    const why = instance.health.reason === undefined ? '' : `: ${instance.health.reason}`;
    return { reason: 'AGENT', detail: `the instance is impaired${why}`, sentence: `is impaired${why}` };
  },
  explain: (count) => `${instances(count, 'is', 'are')} impaired`,
};

const attributes: PlacementFilter = {
  name: 'attributes',
  applies: ({ requiredAttributes, launchType }) =>
    requiredAttributes.length > 0 || launchTypeAttributes[launchType].length > 0,
  check(candidate, { requiredAttributes, launchType }) {
    const required = [...launchTypeAttributes[launchType], ...requiredAttributes];
    const missing = missingAttributes(required, candidate.attributes);
    if (missing.length === 0) return undefined;
    const names = missing.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`)).join(', ');
    const noun = missing.length === 1 ? 'attribute' : 'attributes';
    return {
      reason: 'ATTRIBUTE',
      detail: `missing ${noun} ${names}`,
      sentence: `is missing an attribute required by your task (${names})`,
    };
  },
  explain: (count) => `${instances(count, 'lacks', 'lack')} an attribute that the task requires`,
};

const memberOf: PlacementFilter = {
  name: 'memberOf',
  applies: ({ constraints }) => constraints.some((constraint) => constraint.type === 'memberOf'),
  check(candidate, { constraints }) {
    const broken = constraints.find((constraint) => constraint.type === 'memberOf' && !isMember(candidate, constraint));
    if (broken === undefined) return undefined;
    return {
      reason: 'LOCATION',
      detail: `memberOf ${broken.expression ?? ''} does not hold`,
      sentence: 'does not satisfy a placement constraint of type memberOf',
    };
  },
  explain: (count) => `${instances(count, 'is', 'are')} outside a memberOf constraint`,
};

const distinctInstance: PlacementFilter = {
  name: 'distinctInstance',
  applies: ({ constraints }) => constraints.some((constraint) => constraint.type === 'distinctInstance'),
  check(candidate, { group }) {
    const taken = candidate.occupants.some(
      (occupant) => occupant.group === group && occupant.desiredStatus === 'RUNNING',
    );
    if (!taken) return undefined;
    return {
      reason: 'LOCATION',
      detail: `distinctInstance: a task of the group ${group} is there already`,
      sentence: 'does not satisfy a placement constraint of type distinctInstance',
    };
  },
  explain: (count) => `${instances(count, 'runs', 'run')} a task of the same group already`,
};

const shortageSentences: Readonly<Record<ResourceShortage, string>> = {
  'RESOURCE:CPU': 'has insufficient CPU units available',
  'RESOURCE:MEMORY': 'has insufficient memory available',
  'RESOURCE:PORTS': 'is already using a port required by your task',
  'RESOURCE:GPU': 'has insufficient GPU resource available',
};

function roomFilter(shortage: ResourceShortage, explanation: (count: number) => string): PlacementFilter {
  return {
    name: shortage,
    applies: always,
    check({ remaining }, { resources }) {
      if (!shortages(remaining, resources).includes(shortage)) return undefined;
      const sentence = shortageSentences[shortage];
      return { reason: shortage, detail: `the instance ${sentence}`, sentence };
    },
    explain: explanation,
  };
}

/** What makes an instance a place for a task at all, whatever is on it now: the instances that a DAEMON service covers. */
export const suitabilityFilters: readonly PlacementFilter[] = [active, attributes, memberOf];

export const placementFilters: readonly PlacementFilter[] = [
  active,
  agent,
  health,
  attributes,
  memberOf,
  distinctInstance,
  roomFilter('RESOURCE:CPU', (count) => `${instances(count, 'has', 'have')} insufficient CPU units`),
  roomFilter('RESOURCE:MEMORY', (count) => `${instances(count, 'has', 'have')} insufficient memory`),
  roomFilter('RESOURCE:PORTS', (count) => `${instances(count, 'uses', 'use')} a required port already`),
  roomFilter('RESOURCE:GPU', (count) => `${instances(count, 'has', 'have')} insufficient GPUs`),
];

/** Whether an instance takes any task at all, whatever the task. */
export const admissionFilters: readonly PlacementFilter[] = [active, agent, health];

export interface RefusedCandidate {
  candidate: Candidate;
  refusal: Refusal;
  filter: PlacementFilter;
  /** How many filters it passed; the closest match has the most. */
  passed: number;
}

/** The first refusal of a candidate, or undefined when it may take the task. */
export function refusalOf(
  candidate: Candidate,
  request: PlacementRequest,
  filters: readonly PlacementFilter[] = placementFilters,
): RefusedCandidate | undefined {
  for (const [passed, filter] of filters.entries()) {
    if (!filter.applies(request)) continue;
    const refusal = filter.check(candidate, request);
    if (refusal !== undefined) return { candidate, refusal, filter, passed };
  }
  return undefined;
}

/** An expression that does not parse is refused when it is given; one that got in anyway matches nothing. */
function isMember(candidate: Candidate, constraint: PlacementConstraint): boolean {
  const parsed = parseQuery(constraint.expression ?? '');
  return parsed.ok && evaluateQuery(parsed.query, queriedInstance(candidate));
}

function instances(count: number, one: string, many: string): string {
  return count === 1 ? `1 instance ${one}` : `${count} instances ${many}`;
}

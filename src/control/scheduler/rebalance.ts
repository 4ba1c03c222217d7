/**
 * Which one task of a service would be better elsewhere. Pure. The spread is a list of fields; a move counts when, among instances that agree in all
 * fields before one, it takes a task from a value of that field with at least two tasks more to another. Each such move makes the spread better in that
 * field and leaves those before it as they are, so moves come to an end and none is ever taken back. Only instances with room are moved to.
 */
import type { Random } from '#lib/random.ts';
import type { ContainerInstance } from '#model/container-instance.ts';
import type { PlacementStrategy } from '#model/placement.ts';
import { candidatesOf, instanceFieldValue, type Candidate, type Occupant } from './candidate.ts';
import { refusalOf } from './filters.ts';
import type { PlacementRequest } from './placement-request.ts';
import { removalOrder, type RemovableTask } from './scale-in.ts';
import { choose, effectiveStrategy } from './strategies.ts';

export interface MovableTask extends RemovableTask {
  /** It must stay where it is for now; it counts all the same. */
  pinned: boolean;
}

export interface MoveQuestion {
  /** Of one more task of the service. */
  request: PlacementRequest & { serviceName: string };
  tasks: readonly MovableTask[];
  instances: readonly ContainerInstance[];
  occupying: readonly Occupant[];
  /** `instanceId` or `attribute:NAME`, the first being the most important. */
  fields: readonly string[];
  /** Whether a task may be moved to the instance. */
  mayTake(instance: ContainerInstance): boolean;
  random: Random;
}

export interface ProposedMove {
  victim: string;
  containerInstanceArn: string;
  /** The values of the field that becomes more even. */
  from: string;
  to: string;
}

const leastGain = 2;

/** The fields by which the service is spread, down to the instance; none when it is not spread in the first place. */
export function spreadFields(service: { strategy: readonly PlacementStrategy[]; serviceName: string }): string[] {
  const fields: string[] = [];
  for (const { type = 'spread', field = 'instanceId' } of effectiveStrategy(service)) {
    if (type !== 'spread') return fields;
    fields.push(field);
  }
  return fields.some((field) => field === 'instanceId' || field === 'host') ? fields : [...fields, 'instanceId'];
}

export function proposeMove(question: MoveQuestion): ProposedMove | undefined {
  const { fields, request, instances, occupying, mayTake } = question;
  const candidates = candidatesOf(instances, occupying);
  const open = new Set(
    candidates.filter((candidate) => mayTake(candidate.instance) && refusalOf(candidate, request) === undefined),
  );
  if (open.size === 0) return undefined;
  for (const [depth, field] of fields.entries()) {
    const groups = Map.groupBy(candidates, (candidate) => valuesOf(candidate, fields.slice(0, depth)));
    for (const group of groups.values()) {
      const move = moveWithin(group, field, { ...question, open, everywhere: candidates });
      if (move !== undefined) return move;
    }
  }
  return undefined;
}

/** How many of the tasks each value of the field has, of all instances that may hold or take one. */
export function countByValue(
  field: string,
  tasks: readonly Pick<MovableTask, 'containerInstanceArn'>[],
  instances: readonly ContainerInstance[],
): Map<string, number> {
  const counts = new Map<string, number>();
  const values = new Map<string, string>();
  for (const instance of instances) {
    const { status, agentConnected, containerInstanceArn } = instance;
    const value = instanceFieldValue(instance, field) ?? '';
    values.set(containerInstanceArn, value);
    if (status === 'ACTIVE' && agentConnected) counts.set(value, counts.get(value) ?? 0);
  }
  for (const { containerInstanceArn = '' } of tasks) {
    const value = values.get(containerInstanceArn);
    if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

/** Whether some value has so many more than another that a move could help; cheap, and true too often rather than too seldom. */
export function isUneven(counts: ReadonlyMap<string, number>): boolean {
  return counts.size > 1 && Math.max(...counts.values()) - Math.min(...counts.values()) >= leastGain;
}

interface Narrowed extends MoveQuestion {
  open: ReadonlySet<Candidate>;
  everywhere: readonly Candidate[];
}

function moveWithin(group: readonly Candidate[], field: string, question: Narrowed): ProposedMove | undefined {
  const { open, request, random, everywhere } = question;
  const values = [...Map.groupBy(group, (candidate) => valueOf(candidate, field))].map(([value, members]) => {
    const arns = new Set(members.map(({ instance }) => instance.containerInstanceArn));
    const tasks = question.tasks.filter(({ containerInstanceArn = '' }) => arns.has(containerInstanceArn));
    return { value, tasks, takers: members.filter((member) => open.has(member)) };
  });
  const order = (a: { value: string }, b: { value: string }): number => (a.value < b.value ? -1 : 1);
  const targets = values.filter(({ takers }) => takers.length > 0);
  const emptiest = targets.toSorted((a, b) => a.tasks.length - b.tasks.length || order(a, b))[0];
  if (emptiest === undefined) return undefined;
  const sources = values.filter(({ tasks }) => tasks.length - emptiest.tasks.length >= leastGain);
  for (const source of sources.toSorted((a, b) => b.tasks.length - a.tasks.length || order(a, b))) {
    const victim = victimOf(source.tasks, question);
    const target = choose(emptiest.takers, request, everywhere, random);
    if (victim === undefined || target === undefined) continue;
    const { containerInstanceArn } = target.instance;
    return { victim, containerInstanceArn, from: source.value, to: emptiest.value };
  }
  return undefined;
}

/** As a scale-in would take it, of those that may go. */
function victimOf(tasks: readonly MovableTask[], { request, everywhere: candidates }: Narrowed): string | undefined {
  const { serviceName, strategy } = request;
  const pinned = new Set(tasks.filter((task) => task.pinned).map(({ taskArn }) => taskArn));
  return removalOrder({ tasks, serviceName, strategy, candidates }).find((arn) => !pinned.has(arn));
}

function valuesOf(candidate: Candidate, fields: readonly string[]): string {
  return JSON.stringify(fields.map((field) => valueOf(candidate, field)));
}

/** Instances without the attribute share one value. */
function valueOf(candidate: Candidate, field: string): string {
  return instanceFieldValue(candidate.instance, field) ?? '';
}

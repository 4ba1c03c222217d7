/**
 * Which container waits for which. `links` imply START and `volumesFrom` implies that the other one exists; both on top of `dependsOn`.
 * A dependency is either met, worth waiting for (with a deadline where the definition sets one), or can never be met any more.
 */
import type { ContainerCondition, ContainerDefinition } from '#model/container-definition.ts';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import { containerNamed, definitionOf, startedBy, type AgentTask } from './agent-task.ts';

export interface Dependency {
  on: string;
  /** CREATED: the engine has the container; it need not have been started. */
  condition: ContainerCondition | 'CREATED';
}

export type DependencyVerdict =
  | { kind: 'met' }
  | { kind: 'waiting'; for: Dependency; deadline?: number }
  | { kind: 'failed'; why: string };

/** Definitions never change, and each decision about a task asks several times. */
const dependencies = new WeakMap<ContainerDefinition, readonly Dependency[]>();

export function dependenciesOf(container: ContainerDefinition): readonly Dependency[] {
  const known = dependencies.get(container);
  if (known !== undefined) return known;
  const found = dependenciesIn(container);
  dependencies.set(container, found);
  return found;
}

function dependenciesIn(container: ContainerDefinition): Dependency[] {
  return [
    ...(container.dependsOn ?? []).map(({ containerName, condition }) => ({ on: containerName, condition })),
    ...(container.links ?? []).map((link) => ({ on: linkedContainer(link), condition: 'START' as const })),
    ...(container.volumesFrom ?? []).flatMap(({ sourceContainer }) =>
      sourceContainer === undefined ? [] : [{ on: sourceContainer, condition: 'CREATED' as const }],
    ),
  ];
}

/** The container of a link written `name` or `name:alias`. */
export function linkedContainer(link: string): string {
  return link.split(':', 1)[0] ?? link;
}

const problems = new WeakMap<TaskDefinitionBody, { readonly problem: string | undefined }>();

/** Why the containers of a definition can never all be started, before anything of it is touched. */
export function dependencyProblem(definition: TaskDefinitionBody): string | undefined {
  const known = problems.get(definition);
  if (known !== undefined) return known.problem;
  const problem = findProblem(definition);
  problems.set(definition, { problem });
  return problem;
}

function findProblem(definition: TaskDefinitionBody): string | undefined {
  const byName = new Map(definition.containerDefinitions.map((container) => [container.name, container]));
  for (const container of byName.values()) {
    for (const { on, condition } of dependenciesOf(container)) {
      const target = byName.get(on);
      if (target === undefined)
        return `container ${container.name} depends on ${on}, which is not in the task definition`;
      if (condition === 'HEALTHY' && target.healthCheck === undefined) {
        return `container ${container.name} waits for ${on} to be HEALTHY, but ${on} has no health check`;
      }
    }
  }
  const cycle = firstCycle(byName);
  return cycle === undefined ? undefined : `the containers depend on each other in a circle: ${cycle.join(' -> ')}`;
}

function firstCycle(byName: ReadonlyMap<string, ContainerDefinition>): string[] | undefined {
  const done = new Set<string>();
  function visit(name: string, trail: readonly string[]): string[] | undefined {
    if (trail.includes(name)) return [...trail.slice(trail.indexOf(name)), name];
    const container = byName.get(name);
    if (container === undefined || done.has(name)) return undefined;
    for (const { on } of dependenciesOf(container)) {
      const cycle = visit(on, [...trail, name]);
      if (cycle !== undefined) return cycle;
    }
    done.add(name);
    return undefined;
  }
  for (const name of byName.keys()) {
    const cycle = visit(name, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** How the dependencies of one container stand. A failed one wins over all, then the first that waits. */
export function dependencyVerdict(task: AgentTask, container: ContainerDefinition, now: number): DependencyVerdict {
  let waiting: DependencyVerdict | undefined;
  for (const dependency of dependenciesOf(container)) {
    const verdict = verdictOn(task, dependency, now);
    if (verdict.kind === 'failed') return verdict;
    if (verdict.kind === 'waiting') waiting ??= verdict;
  }
  return waiting ?? { kind: 'met' };
}

function verdictOn(task: AgentTask, dependency: Dependency, now: number): DependencyVerdict {
  const phase = containerNamed(task, dependency.on)?.phase;
  if (phase === undefined) return { kind: 'failed', why: `there is no container ${dependency.on}` };
  if (phase.name === 'STOPPED') {
    if (dependency.condition === 'CREATED' && phase.engineId !== undefined) return { kind: 'met' };
    if (phase.startedAt === undefined) return failed(dependency, 'it never started');
    if (dependency.condition === 'HEALTHY') return failed(dependency, 'it stopped');
    if (dependency.condition !== 'SUCCESS' || phase.exitCode === 0) return { kind: 'met' };
    return failed(dependency, phase.exitCode === undefined ? 'it vanished' : `it exited with ${phase.exitCode}`);
  }
  if (dependency.condition === 'CREATED' && (phase.name === 'CREATED' || phase.name === 'RUNNING'))
    return { kind: 'met' };
  if (phase.name !== 'RUNNING') return { kind: 'waiting', for: dependency };
  if (dependency.condition === 'START') return { kind: 'met' };
  if (dependency.condition === 'HEALTHY' && phase.health === 'HEALTHY') return { kind: 'met' };
  const seconds = definitionOf(task, dependency.on)?.startTimeout;
  if (seconds === undefined) return { kind: 'waiting', for: dependency };
  const deadline = startedBy(phase) + seconds * 1000;
  if (now >= deadline) return failed(dependency, `its startTimeout of ${seconds} s is over`);
  return { kind: 'waiting', for: dependency, deadline };
}

function failed({ on, condition }: Dependency, why: string): DependencyVerdict {
  return { kind: 'failed', why: `dependency on ${on} (${condition}) cannot be met: ${why}` };
}

/** The containers that depend on `name` and may still run: they have to end before it. */
export function dependentsStillAlive(task: AgentTask, name: string): string[] {
  return task.definition.containerDefinitions
    .filter((container) => dependenciesOf(container).some(({ on }) => on === name))
    .map((container) => container.name)
    .filter((dependent) => containerNamed(task, dependent)?.phase.name !== 'STOPPED');
}

/**
 * A task as its agent knows it: what control assigned, and how far each container and volume has come. The journal keeps it as JSON.
 *
 * - A container's phase only moves forward (NONE, PULLED, CREATED, RUNNING, STOPPED); a restart by its restart policy stays RUNNING.
 * - Engine names follow from the task's ARN, so they are known and saved before the first engine call, and a second create of
 *   the same container always meets the first one by its name, whatever was lost in between.
 * - `stop` is the first cause of the task's end and never changes afterwards.
 */
import { arnId } from '#model/arn.ts';
import type { ContainerDefinition } from '#model/container-definition.ts';
import type { HostPort } from '#model/resources.ts';
import { taskPorts, type TaskDefinitionBody } from '#model/task-definition.ts';
import type { DesiredStatus, HealthStatus, NetworkBinding, StopCode, TaskOverride } from '#model/task.ts';
import type { NetworkAddress } from './container-spec.ts';
import { withPauseContainer } from './pause-container.ts';
import { referenceAtDigest } from '#model/image-reference.ts';
import { taskVolumes, type AgentVolume } from './volumes.ts';

/** What control says about a task and never changes afterwards. */
export interface TaskAssignment {
  taskArn: string;
  clusterName: string;
  taskDefinitionArn: string;
  family: string;
  revision: number;
  group: string;
  serviceName?: string;
  startedBy?: string;
  launchType: 'EC2' | 'FARGATE' | 'EXTERNAL';
  gpuIds: readonly string[];
  /** Epoch milliseconds, like every time in here. */
  createdAt: number;
  /** `pinnedDigest`: the image is to be this one, whatever its tag means by now. */
  containers: readonly { name: string; containerArn: string; pinnedDigest?: string }[];
  overrides: TaskOverride;
}

export interface StopCause {
  stopCode: StopCode;
  reason: string;
}

export const containerPhases = ['NONE', 'PULLED', 'CREATED', 'RUNNING', 'STOPPED'] as const;
export type ContainerPhaseName = (typeof containerPhases)[number];

export type ContainerPhase =
  | { name: 'NONE' }
  | { name: 'PULLED' }
  | { name: 'CREATED'; engineId: string }
  | RunningPhase
  | StoppedPhase;

export interface RunningPhase {
  name: 'RUNNING';
  engineId: string;
  /** Its first process, as the machine numbers them; absent when the engine does not say. */
  pid?: number;
  startedAt: number;
  health: HealthStatus;
  networkBindings: readonly NetworkBinding[];
  /** By how much the machine's clock was set since `startedAt`. */
  clockSetMs?: number;
  /** It ended and its restart policy says: start it again, then. Present from the decision until it is seen running. */
  restartDue?: { at: number };
}

export interface StoppedPhase {
  name: 'STOPPED';
  /** Absent when it never was created. */
  engineId?: string;
  /** Absent when it never ran. */
  startedAt?: number;
  stoppedAt: number;
  exitCode?: number;
  reason?: string;
  /** Its last lines, when it failed by itself. */
  lastOutput?: readonly string[];
  /** Health at the end. */
  health: HealthStatus;
  networkBindings: readonly NetworkBinding[];
  /** Somebody started it again after its end: it is stopped once more, and only once. */
  reappeared?: 'to-stop' | 'stopped-again';
}

export interface AgentContainer {
  name: string;
  containerArn: string;
  /** The container's name on the engine. */
  engineName: string;
  imageDigest?: string;
  /** `lastAt` may lie ahead; `earlyAttempts`: how many in a row came after too short a run. */
  restarts: { count: number; lastAt?: number; earlyAttempts?: number };
  phase: ContainerPhase;
  /** The engine holds no container of this name any more (after cleaning up). */
  removed?: true;
}

export interface AgentTask {
  assignment: TaskAssignment;
  /** Control's, and the internal containers that this agent adds. */
  definition: TaskDefinitionBody;
  /** Control's wish; only ever moves from RUNNING to STOPPED. */
  desiredStatus: DesiredStatus;
  /** The number, on control's line, of the newest assignment this reflects. */
  assignmentNumber: number;
  stop?: StopCause;
  containers: readonly AgentContainer[];
  volumes: readonly AgentVolume[];
  /** In network mode awsvpc, from the first start of the pause container on. */
  networkInterface?: NetworkAddress;
  pullStartedAt?: number;
  pullStoppedAt?: number;
  /** When all containers had been started. */
  startedAt?: number;
  /** When the first essential container ended. */
  executionStoppedAt?: number;
  stoppedAt?: number;
  /** By how much the machine's clock was set since `stoppedAt`. */
  clockSetMs?: number;
}

export interface NewTask {
  assignment: TaskAssignment;
  definition: TaskDefinitionBody;
  desiredStatus: DesiredStatus;
  assignmentNumber: number;
  /** Why it shall stop, when it arrives stopped. */
  stop?: StopCause;
}

export function newAgentTask({ assignment, desiredStatus, assignmentNumber, stop, ...rest }: NewTask): AgentTask {
  const definition = withPauseContainer(rest.definition);
  const arns = new Map(assignment.containers.map((container) => [container.name, container.containerArn]));
  const containers = definition.containerDefinitions.map((container, index): AgentContainer => ({
    name: container.name,
    containerArn: arns.get(container.name) ?? '',
    engineName: engineName(assignment, container.name, index),
    restarts: { count: 0 },
    phase: { name: 'NONE' },
  }));
  return {
    assignment,
    definition,
    desiredStatus,
    assignmentNumber,
    ...(stop === undefined ? {} : { stop }),
    containers,
    volumes: taskVolumes(definition, (volume, index) => engineName(assignment, volume, index)),
  };
}

/**
 * `ecs-<family>-<revision>-<name reduced to letters, digits and hyphens>-<hexadecimal>`, as ECS names them. The digits are the end of
 * the task's id and the position in the definition, so they are the same at every attempt and differ where reduced names clash.
 */
function engineName(assignment: TaskAssignment, name: string, index: number): string {
  const reduced = name.replaceAll(/[^A-Za-z0-9-]/g, '');
  const suffix = `${arnId(assignment.taskArn).slice(-18)}${index.toString(16).padStart(2, '0')}`;
  return `ecs-${assignment.family}-${assignment.revision}-${reduced}-${suffix}`;
}

export function containerNamed(task: AgentTask, name: string): AgentContainer | undefined {
  return task.containers.find((container) => container.name === name);
}

export function definitionOf(task: AgentTask, name: string): ContainerDefinition | undefined {
  return task.definition.containerDefinitions.find((container) => container.name === name);
}

/** What the engine is asked for: the definition's image, at the digest that control has pinned it to. */
export function imageReference(task: AgentTask, { name, image }: Pick<ContainerDefinition, 'name' | 'image'>): string {
  const digest = task.assignment.containers.find((container) => container.name === name)?.pinnedDigest;
  return digest === undefined ? image : (referenceAtDigest(image, digest) ?? image);
}

/** What `imageReference` says of all its containers. */
export function imageReferences(task: AgentTask): string[] {
  return task.definition.containerDefinitions.map((container) => imageReference(task, container));
}

export function withContainer(
  task: AgentTask,
  name: string,
  change: (container: AgentContainer) => AgentContainer,
): AgentTask {
  return {
    ...task,
    containers: task.containers.map((container) => (container.name === name ? change(container) : container)),
  };
}

/** Whether the task has ended for good. Only then are its resources free. */
export function taskHasStopped(task: AgentTask): boolean {
  return task.stoppedAt !== undefined;
}

/** As its journal tells of it to an agent that starts: an end that is still to come was told by a clock that has been set back since, so it is now. */
export function endedByNow(task: AgentTask, now: number): AgentTask {
  const { stoppedAt, clockSetMs = 0 } = task;
  return stoppedAt === undefined || stoppedAt + clockSetMs <= now ? task : { ...task, clockSetMs: now - stoppedAt };
}

/** When a container was started, by the clock as it is now. */
export function startedBy({ startedAt, clockSetMs = 0 }: RunningPhase): number {
  return startedAt + clockSetMs;
}

/** Whether the task is on its way to its end, or there. */
export function isStopping(task: AgentTask): boolean {
  return task.stop !== undefined;
}

/** Control's wish that it stops. `cause` becomes the task's unless it was ending already; an ended task never changes. */
export function withStopWanted(task: AgentTask, assignmentNumber: number, cause: StopCause): AgentTask {
  if (task.desiredStatus === 'STOPPED' || taskHasStopped(task)) return task;
  return { ...task, desiredStatus: 'STOPPED', assignmentNumber, stop: task.stop ?? cause };
}

/** Host ports that the task's running containers listen on: those they were given, and in host mode those they announced. */
export function portsInUse(task: AgentTask): HostPort[] {
  const running = task.containers.flatMap(({ phase }) => (phase.name === 'RUNNING' ? [phase] : []));
  if (running.length === 0) return [];
  const given = running.flatMap(({ networkBindings }) =>
    networkBindings.flatMap(({ hostPort, protocol }) =>
      hostPort === undefined ? [] : { port: hostPort, protocol: protocol ?? 'tcp' },
    ),
  );
  return [...given, ...taskPorts(task.definition)];
}

/**
 * What to send to an agent next. A pass reads one snapshot of the instance's line and sends what this session has not told the agent yet, so that
 * any number of announcements makes one pass and nothing is sent twice in a session. The first pass sends the complete set as references, then
 * whatever the hello lacked. Invariants: docs/session.md S2, S3.
 */
import type { ContainerInstance } from '#model/container-instance.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import { hasStopped, taskStatusRank, type DesiredStatus, type Task } from '#model/task.ts';
import type { Assignment, Assignments, CompleteSet, Hello } from '#protocol/session/messages.ts';
import type { StoreTransaction } from '../store/store.ts';

/** Bounds of one message; far below what a link carries. */
const maximumBatchTasks = 200;
const maximumBatchBytes = 1024 * 1024;
const maximumReasonLength = 1024;

/** What one session has told its agent. A value: each pass makes the next one. */
export interface AssignmentLine {
  /** What the agent knows: from its hello, and what was sent since. */
  readonly known: ReadonlyMap<string, DesiredStatus>;
  /** The head of the instance's line at the last pass; absent before the first. */
  readonly head?: number;
}

export interface LineSnapshot {
  readonly instance: ContainerInstance;
  /** Live tasks, and those stopped by control since the last pass. */
  readonly tasks: readonly Task[];
  /** By ARN. */
  readonly definitions: ReadonlyMap<string, TaskDefinition>;
}

export interface Outgoing {
  readonly messages: readonly (CompleteSet | Assignments)[];
  readonly line: AssignmentLine;
}

export function lineOfHello(hello: Pick<Hello, 'tasks'>): AssignmentLine {
  return { known: new Map(hello.tasks.map((task) => [task.taskArn, task.desiredStatus])) };
}

/** Reads definitions at most once in the life of control: a revision never changes. */
export type DefinitionReader = (
  tx: StoreTransaction,
  task: Pick<Task, 'taskDefinitionArn' | 'family' | 'revision'>,
) => Promise<TaskDefinition | undefined>;

/** Everything a pass needs. Undefined when the instance is gone. */
export async function readLine(
  tx: StoreTransaction,
  containerInstanceArn: string,
  line: AssignmentLine,
  readDefinition: DefinitionReader,
): Promise<LineSnapshot | undefined> {
  const instance = await tx.containerInstances.get(containerInstanceArn);
  if (instance === undefined) return undefined;
  const definitions = new Map<string, TaskDefinition>();
  if (instance.assignmentNumber === line.head) return { instance, tasks: [], definitions };
  const tasks = await tx.tasks.assignedTo(containerInstanceArn, line.head);
  for (const task of tasks) {
    if (!isNews(task, line) || definitions.has(task.taskDefinitionArn)) continue;
    const definition = await readDefinition(tx, task);
    if (definition !== undefined) definitions.set(task.taskDefinitionArn, definition);
  }
  return { instance, tasks, definitions };
}

export function planOutgoing(snapshot: LineSnapshot, line: AssignmentLine): Outgoing {
  const { instance, tasks } = snapshot;
  const head = instance.assignmentNumber;
  if (line.head === head) return { messages: [], line };
  const live = tasks.filter((task) => !hasStopped(task));
  const news = tasks.filter((task) => isNews(task, line)).toSorted((a, b) => a.assignmentNumber - b.assignmentNumber);
  const messages: (CompleteSet | Assignments)[] = [];
  if (line.head === undefined) messages.push(completeSet(head, live));
  const batches = inBatches(news, snapshot.definitions);
  if (line.head === undefined && batches.length === 0) batches.push({ number: head, tasks: [], definitions: {} });
  for (const [index, { number, tasks: assignments, definitions }] of batches.entries()) {
    const last = index === batches.length - 1;
    messages.push({ type: 'assignments', number: last ? head : number, tasks: assignments, definitions });
  }
  return { messages, line: { head, known: knownAfter(line, live, news) } };
}

/**
 * The agent does not know the task, or not that it shall stop. A task that ended without the agent ever hearing of it is no news; a lost one that the
 * agent does not have starts only if its service takes it up again, which moves the line.
 */
function isNews(task: Task, line: AssignmentLine): boolean {
  const known = line.known.get(task.taskArn);
  if (known === undefined) return !hasStopped(task) && (task.lostAt === undefined || wishOf(task) === 'STOPPED');
  return known === 'RUNNING' && task.desiredStatus === 'STOPPED';
}

/** What is no longer live will not be asked for again, so it need not be remembered. */
function knownAfter(line: AssignmentLine, live: readonly Task[], news: readonly Task[]): Map<string, DesiredStatus> {
  const known = new Map<string, DesiredStatus>();
  for (const { taskArn } of live) {
    const status = line.known.get(taskArn);
    if (status !== undefined) known.set(taskArn, status);
  }
  for (const task of news) known.set(task.taskArn, wishOf(task));
  return known;
}

function completeSet(number: number, live: readonly Task[]): CompleteSet {
  return {
    type: 'completeSet',
    number,
    tasks: live.map(({ taskArn, desiredStatus, stateChangeNumber }) => ({
      taskArn,
      desiredStatus,
      stateChangeNumber,
    })),
  };
}

interface Batch extends Pick<Assignments, 'tasks' | 'definitions'> {
  /** That of its last task. */
  number: number;
}

function inBatches(tasks: readonly Task[], definitions: ReadonlyMap<string, TaskDefinition>): Batch[] {
  const batches: Batch[] = [];
  let batch: Batch = { number: 0, tasks: [], definitions: {} };
  let bytes = 0;
  for (const task of tasks) {
    const assignment = assignmentOf(task);
    const arn = task.taskDefinitionArn;
    const body = definitions.get(arn)?.body;
    // Most passes have one task to send, which goes whatever its size.
    const added = tasks.length === 1 ? 0 : JSON.stringify(assignment).length + JSON.stringify(body ?? '').length;
    if (batch.tasks.length === maximumBatchTasks || (batch.tasks.length > 0 && bytes + added > maximumBatchBytes)) {
      batches.push(batch);
      batch = { number: 0, tasks: [], definitions: {} };
      bytes = 0;
    }
    batch.tasks.push(assignment);
    batch.number = task.assignmentNumber;
    if (body !== undefined) batch.definitions[arn] = { ...body };
    bytes += added;
  }
  if (batch.tasks.length > 0) batches.push(batch);
  return batches;
}

/**
 * A task on its way out never runs again (S8). An agent that does not know it has forgotten its end, which a database that was restored has yet to hear: told to
 * stop it, the agent says so.
 */
function wishOf({ desiredStatus, lastStatus }: Task): DesiredStatus {
  return taskStatusRank(lastStatus) > taskStatusRank('RUNNING') ? 'STOPPED' : desiredStatus;
}

export function assignmentOf(task: Task): Assignment {
  const { taskArn, clusterName, taskDefinitionArn, family, revision, group, launchType } = task;
  const desiredStatus = wishOf(task);
  return {
    taskArn,
    clusterName,
    desiredStatus,
    taskDefinitionArn,
    family,
    revision,
    group,
    launchType,
    ...(task.serviceName === undefined ? {} : { serviceName: task.serviceName }),
    ...(task.startedBy === undefined ? {} : { startedBy: task.startedBy }),
    gpuIds: [...task.gpuIds],
    createdAt: task.createdAt,
    ...(desiredStatus === 'STOPPED' && task.stopCode !== undefined
      ? { stop: { stopCode: task.stopCode, reason: (task.stoppedReason ?? '').slice(0, maximumReasonLength) } }
      : {}),
    containers: task.containers.map(({ name, containerArn, pinnedDigest }) => ({
      name,
      containerArn,
      ...(pinnedDigest === undefined ? {} : { pinnedDigest }),
    })),
    overrides: { ...task.overrides },
  };
}

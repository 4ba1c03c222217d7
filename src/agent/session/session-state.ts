/**
 * What the session needs of the agent's durable memory. The journal implements it; every method is synchronous, one transaction, and durable
 * when it returns, because an acknowledgement is sent right after. A method that cannot save throws: then nothing is acknowledged, the session
 * ends, and control sends again. The numbered rules are in docs/session.md.
 */
import type { Assignments, StateAck, TaskState } from '#protocol/session/messages.ts';
import type { DesiredStatus } from '#model/task.ts';

/** Who this machine is to control. */
export interface SessionIdentity {
  /** Made once, at the very first start. */
  machineId: string;
  /** Absent until the first welcome was saved. */
  containerInstanceArn?: string;
}

/** What control said about this agent when it welcomed it. */
export interface Registration {
  containerInstanceArn: string;
  cluster: string;
  region: string;
  accountId: string;
}

/** A task the journal knows, as it goes into a hello. */
export interface KnownTask {
  taskArn: string;
  /** What control wants, as far as the journal knows. */
  desiredStatus: DesiredStatus;
  /** `number` of the message that last changed the task. */
  assignmentNumber: number;
  /** The task is known STOPPED; its record is kept for a while. */
  ended: boolean;
}

export type AssignmentUpdate = Pick<Assignments, 'number' | 'tasks' | 'definitions'>;

/** How far control's row of a task has come on the agent's line of state changes. */
export interface ReportedState {
  taskArn: string;
  stateChangeNumber: number;
}

export type StateAcknowledgement = StateAck['acks'][number];

export interface SessionState {
  identity(): SessionIdentity;
  saveRegistration(registration: Registration): void;

  /** The highest number of control's line that is saved; 0 at first. */
  assignmentNumber(): number;

  /** Every task the journal has a record of, ended ones included. */
  knownTasks(): KnownTask[];

  /**
   * Upserts by task ARN and raises `assignmentNumber` to `number` if that is higher. An unknown task is added (one whose desiredStatus is
   * STOPPED too: it is then reported STOPPED without ever starting). A known task only changes by RUNNING -> STOPPED, which also saves `stop`;
   * an ended one never changes. A message with an old `number` is applied by the same rules, never skipped.
   */
  saveAssignments(update: AssignmentUpdate): void;

  /** Sets desiredStatus STOPPED on the known tasks among these and raises `assignmentNumber` to `number`. */
  confirmStops(number: number, taskArns: readonly string[]): void;

  /**
   * The newest unacknowledged snapshot of each task, at most `limit`, in the order of their numbers. Reading changes nothing; the same ones
   * come again until they are acknowledged.
   */
  pendingStateChanges(limit: number): TaskState[];

  /** A snapshot is acknowledged when its number is at or below the acknowledged one. A rejected one too: it is never sent again. */
  acknowledge(acks: readonly StateAcknowledgement[]): void;

  /**
   * Compares with what control's rows reflect, after either side may have been restored from a backup. The newest snapshot of a listed task
   * becomes unacknowledged when its number is above `stateChangeNumber`. When it is below, this journal is the older one: the agent's line is
   * raised above every listed number and the snapshot takes a new number and becomes unacknowledged. Tasks without a snapshot are left alone.
   */
  compareStateChanges(reported: readonly ReportedState[]): void;
}

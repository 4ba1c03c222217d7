/**
 * The agent's durable memory. Every method is one synchronous transaction, on the disk when it returns; a method that cannot save throws and
 * has changed nothing.
 *
 * - A task's row, with the names of its containers, is saved before anything of it reaches the engine, and before its assignment is acknowledged.
 * - A snapshot is saved, and numbered, together with the state it tells of, before it is reported. Only the newest of a task is kept.
 * - Numbers of snapshots only grow, over all tasks and restarts.
 */
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import type { Logger } from '#lib/logger.ts';
import type { TaskState } from '#protocol/session/messages.ts';
import type { ImageRecords } from '../engine/image-cleanup.ts';
import type {
  AssignmentUpdate,
  KnownTask,
  Registration,
  ReportedState,
  SessionIdentity,
  SessionState,
  StateAcknowledgement,
} from '../session/session-state.ts';
import { taskHasStopped, withStopWanted, type AgentTask, type StopCause } from '../tasks/agent-task.ts';
import type { TaskSnapshot } from '../tasks/task-state.ts';
import { taskFromAssignment, unwantedCause } from './assignment.ts';
import { JournalDamageError, openJournalFile } from './journal-file.ts';

/** Called after the transaction that made it true; must not throw. */
export interface JournalListener {
  /** A task was added. */
  added?(task: AgentTask): void;
  /** Control wants a known task stopped. */
  stopWanted?(taskArn: string, assignmentNumber: number, cause: StopCause): void;
  /** Something waits to be reported. */
  reportable?(): void;
  /** Control has told its complete set. */
  compared?(): void;
  /** Control has the newest snapshot of this task. */
  acknowledged?(taskArn: string): void;
}

export interface Journal extends SessionState {
  /** It was begun anew in this life of the agent, in place of one that was damaged or lost. */
  readonly isRebuilt: boolean;
  subscribe(listener: JournalListener): () => void;
  tasks(): AgentTask[];
  /** Saves how far the task has come and, with it, the snapshot to report. */
  saveTask(task: AgentTask, snapshot?: TaskSnapshot): void;
  /** The newest snapshot of a task, acknowledged or not. */
  lastSnapshot(taskArn: string): TaskState | undefined;
  isAcknowledged(taskArn: string): boolean;
  /** Forgets an ended, acknowledged task of which nothing is left. */
  forgetTask(taskArn: string): void;
  /** What control said at the last welcome. */
  registration(): Registration | undefined;
  /** References that were pulled from a registry. */
  readonly pulledImages: { has(reference: string): boolean; add(reference: string): void };
  /** Which images were pulled, and when they were used last. */
  readonly images: ImageRecords;
  close(): void;
}

export interface JournalOptions {
  /** A file, or ':memory:'. */
  path: string;
  /** This machine's own identity (see machine-id.ts); saved at the first opening and never changed. */
  machineId: string;
  /** The machine had its identity before this start: a journal that is not there was lost. False by default. */
  machineIsKnown?: boolean;
  logger: Logger;
  /** Epoch milliseconds; only for the name of a file put aside. */
  now: number;
}

/** Throws JournalLockedError when another process has the file, JournalVersionError when a newer agent wrote it. */
export function openJournal(options: JournalOptions): Journal {
  const { database, isNew, wasDamaged } = openJournalFile({ ...options, verify });
  const journal = createJournal(database, wasDamaged || (isNew && options.machineIsKnown === true));
  if (journal.identity().machineId === '') journal.saveMachineId(options.machineId);
  return journal;
}

function verify(database: DatabaseSync): void {
  try {
    const journal = createJournal(database, false);
    for (const { assignment } of journal.tasks()) journal.lastSnapshot(assignment.taskArn);
    journal.pendingStateChanges(Number.MAX_SAFE_INTEGER);
  } catch (error) {
    throw new JournalDamageError('the journal holds a task that cannot be read', { cause: error });
  }
}

/** Rows this agent wrote itself; the check is against damage, the types are ours. */
const fixedShape = z.looseObject({ assignment: z.looseObject({}), definition: z.looseObject({}) });
const FixedPart = z.custom<Pick<AgentTask, 'assignment' | 'definition'>>(
  (value) => fixedShape.safeParse(value).success,
);
const stateShape = z.looseObject({ containers: z.array(z.looseObject({})) });
const StatePart = z.custom<Omit<AgentTask, 'assignment' | 'definition'>>(
  (value) => stateShape.safeParse(value).success,
);
const snapshotShape = z.looseObject({ taskArn: z.string() });
const Snapshot = z.custom<TaskSnapshot>((value) => snapshotShape.safeParse(value).success);

const registrationFacts = ['containerInstanceArn', 'cluster', 'region', 'accountId'] as const;
type FactName = (typeof registrationFacts)[number] | 'machineId' | 'assignmentNumber' | 'stateChangeNumber';

function createJournal(database: DatabaseSync, isRebuilt: boolean): Journal & { saveMachineId(id: string): void } {
  const listeners = new Set<JournalListener>();
  const sql = prepareStatements(database);

  function transaction<T>(work: () => T): T {
    database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      database.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some errors (a full disk, say); a second rollback would hide the first error.
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }

  function tell(what: (listener: JournalListener) => void): void {
    for (const listener of listeners) what(listener);
  }

  function fact(name: FactName): string | undefined {
    const row = sql.readFact.get(name);
    return row === undefined ? undefined : String(row['value']);
  }

  function setFact(name: FactName, value: string): void {
    sql.writeFact.run(name, value);
  }

  function numberFact(name: FactName): number {
    return Number(fact(name) ?? '0');
  }

  function raise(name: FactName, number: number): void {
    if (number > numberFact(name)) setFact(name, String(number));
  }

  function readTask(taskArn: string): AgentTask | undefined {
    const row = sql.readTask.get(taskArn);
    return row === undefined ? undefined : taskOf(row);
  }

  function writeTask(task: AgentTask): void {
    const { assignment, definition, ...state } = task;
    sql.writeTask.run(
      assignment.taskArn,
      task.desiredStatus,
      task.assignmentNumber,
      taskHasStopped(task) ? 1 : 0,
      JSON.stringify({ assignment, definition }),
      JSON.stringify(state),
    );
  }

  function nextStateChangeNumber(): number {
    const number = numberFact('stateChangeNumber') + 1;
    setFact('stateChangeNumber', String(number));
    return number;
  }

  /** Saves the wish to stop; true when it was news. */
  function wantStopped(taskArn: string, number: number, cause: StopCause): boolean {
    const task = readTask(taskArn);
    if (task === undefined) return false;
    const changed = withStopWanted(task, number, cause);
    if (changed === task) return false;
    writeTask(changed);
    return true;
  }

  return {
    isRebuilt,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    identity(): SessionIdentity {
      const containerInstanceArn = fact('containerInstanceArn');
      return {
        machineId: fact('machineId') ?? '',
        ...(containerInstanceArn === undefined ? {} : { containerInstanceArn }),
      };
    },
    saveMachineId: (id) => transaction(() => setFact('machineId', id)),
    saveRegistration: (registration: Registration) =>
      transaction(() => {
        for (const name of registrationFacts) setFact(name, registration[name]);
      }),
    assignmentNumber: () => numberFact('assignmentNumber'),
    knownTasks: () =>
      sql.knownTasks.all().map((row): KnownTask => ({
        taskArn: String(row['task_arn']),
        desiredStatus: row['desired_status'] === 'STOPPED' ? 'STOPPED' : 'RUNNING',
        assignmentNumber: Number(row['assignment_number']),
        ended: row['ended'] === 1,
      })),
    saveAssignments({ number, tasks, definitions }: AssignmentUpdate) {
      const added: AgentTask[] = [];
      const toStop: { taskArn: string; cause: StopCause }[] = [];
      transaction(() => {
        for (const assignment of tasks) {
          const { taskArn } = assignment;
          if (readTask(taskArn) === undefined) {
            const task = taskFromAssignment(assignment, definitions, number);
            writeTask(task);
            added.push(task);
          } else if (assignment.desiredStatus === 'STOPPED') {
            const cause = assignment.stop ?? unwantedCause;
            if (wantStopped(taskArn, number, cause)) toStop.push({ taskArn, cause });
          }
        }
        raise('assignmentNumber', number);
      });
      // Stops first, so that what they free is free for the rest.
      for (const { taskArn, cause } of toStop) tell((listener) => listener.stopWanted?.(taskArn, number, cause));
      for (const task of added) tell((listener) => listener.added?.(task));
    },
    confirmStops(number, taskArns) {
      const stopped = transaction(() => {
        const news = taskArns.filter((taskArn) => wantStopped(taskArn, number, unwantedCause));
        raise('assignmentNumber', number);
        return news;
      });
      for (const taskArn of stopped) tell((listener) => listener.stopWanted?.(taskArn, number, unwantedCause));
    },
    pendingStateChanges: (limit) => sql.pendingSnapshots.all(limit).map(snapshotOf),
    acknowledge(acks: readonly StateAcknowledgement[]) {
      const acknowledged = transaction(() =>
        acks.filter(({ taskArn, number }) => sql.acknowledge.run(taskArn, number).changes > 0),
      );
      for (const { taskArn } of acknowledged) tell((listener) => listener.acknowledged?.(taskArn));
    },
    compareStateChanges(reported: readonly ReportedState[]) {
      const pending = transaction(() => {
        for (const { stateChangeNumber } of reported) raise('stateChangeNumber', stateChangeNumber);
        let found = false;
        for (const { taskArn, stateChangeNumber } of reported) {
          const row = sql.readSnapshot.get(taskArn);
          if (row === undefined || Number(row['number']) === stateChangeNumber) continue;
          const behind = Number(row['number']) < stateChangeNumber;
          sql.renumber.run(behind ? nextStateChangeNumber() : Number(row['number']), taskArn);
          found = true;
        }
        return found;
      });
      if (pending) tell((listener) => listener.reportable?.());
      tell((listener) => listener.compared?.());
    },
    tasks: () => sql.allTasks.all().map(taskOf),
    saveTask(task, snapshot) {
      transaction(() => {
        writeTask(task);
        if (snapshot !== undefined) {
          sql.writeSnapshot.run(snapshot.taskArn, nextStateChangeNumber(), JSON.stringify(snapshot));
        }
      });
      if (snapshot !== undefined) tell((listener) => listener.reportable?.());
    },
    lastSnapshot(taskArn) {
      const row = sql.readSnapshot.get(taskArn);
      return row === undefined ? undefined : snapshotOf(row);
    },
    isAcknowledged: (taskArn) => sql.readSnapshot.get(taskArn)?.['acknowledged'] === 1,
    forgetTask: (taskArn) =>
      transaction(() => {
        sql.deleteSnapshot.run(taskArn);
        sql.deleteTask.run(taskArn);
      }),
    registration() {
      const [containerInstanceArn, cluster, region, accountId] = registrationFacts.map(fact);
      if (!containerInstanceArn || !cluster || !region || !accountId) return undefined;
      return { containerInstanceArn, cluster, region, accountId };
    },
    pulledImages: {
      has: (reference) => sql.readPulled.get(reference) !== undefined,
      add: (reference) => transaction(() => void sql.writePulled.run(reference)),
    },
    images: {
      all: () =>
        sql.allImages.all().map((row) => ({
          imageId: String(row['image_id']),
          pulledAt: Number(row['pulled_at']),
          usedAt: Number(row['used_at']),
        })),
      pulled: (imageId, at) => transaction(() => void sql.writeImage.run(imageId, at, at)),
      used: (imageIds, at) =>
        transaction(() => {
          for (const imageId of imageIds) sql.useImage.run(at, imageId);
        }),
      forget: (imageId) => transaction(() => void sql.deleteImage.run(imageId)),
    },
    close: () => database.close(),
  };
}

function prepareStatements(database: DatabaseSync) {
  return {
    readFact: database.prepare('SELECT value FROM facts WHERE name = ?'),
    writeFact: database.prepare('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)'),
    readTask: database.prepare('SELECT fixed, state FROM tasks WHERE task_arn = ?'),
    allTasks: database.prepare('SELECT fixed, state FROM tasks ORDER BY rowid'),
    knownTasks: database.prepare('SELECT task_arn, desired_status, assignment_number, ended FROM tasks ORDER BY rowid'),
    writeTask: database.prepare(`
      INSERT INTO tasks (task_arn, desired_status, assignment_number, ended, fixed, state) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (task_arn) DO UPDATE SET desired_status = excluded.desired_status,
        assignment_number = excluded.assignment_number, ended = excluded.ended, state = excluded.state`),
    deleteTask: database.prepare('DELETE FROM tasks WHERE task_arn = ?'),
    readSnapshot: database.prepare('SELECT number, acknowledged, body FROM snapshots WHERE task_arn = ?'),
    pendingSnapshots: database.prepare(
      'SELECT number, body FROM snapshots WHERE acknowledged = 0 ORDER BY number LIMIT ?',
    ),
    writeSnapshot: database.prepare(
      'INSERT OR REPLACE INTO snapshots (task_arn, number, acknowledged, body) VALUES (?, ?, 0, ?)',
    ),
    renumber: database.prepare('UPDATE snapshots SET number = ?, acknowledged = 0 WHERE task_arn = ?'),
    acknowledge: database.prepare(
      'UPDATE snapshots SET acknowledged = 1 WHERE task_arn = ? AND number <= ? AND acknowledged = 0',
    ),
    deleteSnapshot: database.prepare('DELETE FROM snapshots WHERE task_arn = ?'),
    readPulled: database.prepare('SELECT 1 FROM pulled_images WHERE reference = ?'),
    allImages: database.prepare('SELECT image_id, pulled_at, used_at FROM images'),
    writeImage: database.prepare('INSERT OR REPLACE INTO images (image_id, pulled_at, used_at) VALUES (?, ?, ?)'),
    useImage: database.prepare('UPDATE images SET used_at = ? WHERE image_id = ?'),
    deleteImage: database.prepare('DELETE FROM images WHERE image_id = ?'),
    writePulled: database.prepare('INSERT OR IGNORE INTO pulled_images (reference) VALUES (?)'),
  };
}

type Row = Record<string, unknown>;

function taskOf(row: Row): AgentTask {
  return { ...FixedPart.parse(JSON.parse(String(row['fixed']))), ...StatePart.parse(JSON.parse(String(row['state']))) };
}

function snapshotOf(row: Row): TaskState {
  return { number: Number(row['number']), ...Snapshot.parse(JSON.parse(String(row['body']))) };
}

/**
 * The agent's journal in memory, for simulations: many times as fast as SQLite, and held to the same tests. What is saved is a frozen copy, so nobody
 * changes it afterwards, and each method is one transaction: it either throws and has changed nothing, or all of it is saved.
 */
import type { KnownTask, Registration } from '#agent/session/session-state.ts';
import { taskFromAssignment, unwantedCause } from '#agent/state/assignment.ts';
import type { Journal, JournalListener } from '#agent/state/journal.ts';
import { taskHasStopped, withStopWanted, type AgentTask, type StopCause } from '#agent/tasks/agent-task.ts';
import type { ImageRecord } from '#agent/engine/image-cleanup-plan.ts';
import type { TaskState } from '#protocol/session/messages.ts';
import { settled } from './memory-store/rows.ts';

interface Snapshot {
  readonly state: TaskState;
  readonly acknowledged: boolean;
}

export function createMemoryJournal(machineId: string): Journal {
  const listeners = new Set<JournalListener>();
  const tasks = new Map<string, AgentTask>();
  const snapshots = new Map<string, Snapshot>();
  /** Of the snapshots that are not acknowledged. */
  const pending = new Set<string>();
  const pulledImages = new Set<string>();
  const images = new Map<string, ImageRecord>();
  let registration: Registration | undefined;
  let assignmentNumber = 0;
  let stateChangeNumber = 0;

  function tell(what: (listener: JournalListener) => void): void {
    for (const listener of listeners) what(listener);
  }

  function put(taskArn: string, snapshot: Snapshot): void {
    snapshots.set(taskArn, snapshot);
    if (snapshot.acknowledged) pending.delete(taskArn);
    else pending.add(taskArn);
  }

  /** Saves the wish to stop; true when it was news. */
  function wantStopped(taskArn: string, number: number, cause: StopCause): boolean {
    const task = tasks.get(taskArn);
    const changed = task && withStopWanted(task, number, cause);
    if (changed === undefined || changed === task) return false;
    tasks.set(taskArn, settled(changed));
    return true;
  }

  return {
    isRebuilt: false,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    identity: () => ({
      machineId,
      ...(registration === undefined ? {} : { containerInstanceArn: registration.containerInstanceArn }),
    }),
    saveRegistration({ containerInstanceArn, cluster, region, accountId }) {
      registration = { containerInstanceArn, cluster, region, accountId };
    },
    registration: () => registration,
    assignmentNumber: () => assignmentNumber,
    knownTasks: () =>
      [...tasks].map(([taskArn, task]): KnownTask => ({
        taskArn,
        desiredStatus: task.desiredStatus,
        assignmentNumber: task.assignmentNumber,
        ended: taskHasStopped(task),
      })),
    saveAssignments({ number, tasks: assigned, definitions }) {
      const added: AgentTask[] = [];
      const toStop: { taskArn: string; cause: StopCause }[] = [];
      for (const assignment of assigned) {
        const { taskArn } = assignment;
        if (!tasks.has(taskArn)) {
          const task = settled(taskFromAssignment(assignment, definitions, number));
          tasks.set(taskArn, task);
          added.push(task);
        } else if (assignment.desiredStatus === 'STOPPED') {
          const cause = assignment.stop ?? unwantedCause;
          if (wantStopped(taskArn, number, cause)) toStop.push({ taskArn, cause });
        }
      }
      assignmentNumber = Math.max(assignmentNumber, number);
      for (const { taskArn, cause } of toStop) tell((listener) => listener.stopWanted?.(taskArn, number, cause));
      for (const task of added) tell((listener) => listener.added?.(task));
    },
    confirmStops(number, taskArns) {
      const stopped = taskArns.filter((taskArn) => wantStopped(taskArn, number, unwantedCause));
      assignmentNumber = Math.max(assignmentNumber, number);
      for (const taskArn of stopped) tell((listener) => listener.stopWanted?.(taskArn, number, unwantedCause));
    },
    pendingStateChanges: (limit) =>
      [...pending]
        .flatMap((taskArn) => snapshots.get(taskArn)?.state ?? [])
        .toSorted((a, b) => a.number - b.number)
        .slice(0, limit),
    acknowledge(acks) {
      const acknowledged = acks.filter(({ taskArn, number }) => {
        const snapshot = snapshots.get(taskArn);
        if (snapshot === undefined || snapshot.acknowledged || snapshot.state.number > number) return false;
        put(taskArn, { ...snapshot, acknowledged: true });
        return true;
      });
      for (const { taskArn } of acknowledged) tell((listener) => listener.acknowledged?.(taskArn));
    },
    compareStateChanges(reported) {
      for (const { stateChangeNumber: seen } of reported) stateChangeNumber = Math.max(stateChangeNumber, seen);
      let found = false;
      for (const { taskArn, stateChangeNumber: seen } of reported) {
        const state = snapshots.get(taskArn)?.state;
        if (state === undefined || state.number === seen) continue;
        if (state.number < seen) stateChangeNumber += 1;
        const number = state.number < seen ? stateChangeNumber : state.number;
        put(taskArn, { state: settled({ ...state, number }), acknowledged: false });
        found = true;
      }
      if (found) tell((listener) => listener.reportable?.());
      tell((listener) => listener.compared?.());
    },
    tasks: () => [...tasks.values()],
    saveTask(task, snapshot) {
      const { taskArn } = task.assignment;
      tasks.set(taskArn, settled(task));
      if (snapshot === undefined) return;
      stateChangeNumber += 1;
      put(snapshot.taskArn, { state: settled({ number: stateChangeNumber, ...snapshot }), acknowledged: false });
      tell((listener) => listener.reportable?.());
    },
    lastSnapshot: (taskArn) => snapshots.get(taskArn)?.state,
    isAcknowledged: (taskArn) => snapshots.get(taskArn)?.acknowledged === true,
    forgetTask(taskArn) {
      tasks.delete(taskArn);
      snapshots.delete(taskArn);
      pending.delete(taskArn);
    },
    pulledImages: {
      has: (reference) => pulledImages.has(reference),
      add: (reference) => void pulledImages.add(reference),
    },
    images: {
      all: () => [...images.values()],
      pulled: (imageId, at) => void images.set(imageId, { imageId, pulledAt: at, usedAt: at }),
      used(imageIds, at) {
        for (const imageId of imageIds) {
          const known = images.get(imageId);
          if (known !== undefined) images.set(imageId, { ...known, usedAt: at });
        }
      },
      forget: (imageId) => void images.delete(imageId),
    },
    close: () => undefined,
  };
}

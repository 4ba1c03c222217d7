/** The journal's session half in memory, by the rules of its port, and failing on demand. */
import type { KnownTask, SessionState } from '#agent/session/session-state.ts';
import type { TaskState } from '#protocol/session/messages.ts';

interface MemoryTask extends KnownTask {
  stop?: unknown;
}

interface Snapshot {
  readonly state: TaskState;
  acknowledged: boolean;
}

export interface MemorySessionState extends SessionState {
  readonly tasks: ReadonlyMap<string, MemoryTask>;
  /** While set, everything that saves throws it. */
  failure: Error | undefined;
  /** Saves a snapshot under the next number; STOPPED ends the task. */
  report(state: Omit<TaskState, 'number'>): void;
  unacknowledged(): number;
}

export function createMemorySessionState(
  identity: { machineId?: string; containerInstanceArn?: string } = {},
): MemorySessionState {
  const tasks = new Map<string, MemoryTask>();
  const snapshots = new Map<string, Snapshot>();
  const me = { machineId: 'machine-0001', ...identity };
  let assignmentNumber = 0;
  let stateChangeNumber = 0;

  function save(): void {
    if (memory.failure !== undefined) throw memory.failure;
  }

  const memory: MemorySessionState = {
    tasks,
    failure: undefined,
    identity: () => ({ ...me }),
    saveRegistration({ containerInstanceArn }) {
      save();
      me.containerInstanceArn = containerInstanceArn;
    },
    assignmentNumber: () => assignmentNumber,
    knownTasks: () => [...tasks.values()],
    saveAssignments(update) {
      save();
      for (const { taskArn, desiredStatus, stop } of update.tasks) {
        const known = tasks.get(taskArn);
        if (known === undefined) {
          tasks.set(taskArn, { taskArn, desiredStatus, assignmentNumber: update.number, ended: false, stop });
        } else if (!known.ended && known.desiredStatus === 'RUNNING' && desiredStatus === 'STOPPED') {
          tasks.set(taskArn, { ...known, desiredStatus, assignmentNumber: update.number, stop });
        }
      }
      assignmentNumber = Math.max(assignmentNumber, update.number);
    },
    confirmStops(number, taskArns) {
      save();
      for (const taskArn of taskArns) {
        const known = tasks.get(taskArn);
        if (known !== undefined) tasks.set(taskArn, { ...known, desiredStatus: 'STOPPED', assignmentNumber: number });
      }
      assignmentNumber = Math.max(assignmentNumber, number);
    },
    pendingStateChanges: (limit) =>
      [...snapshots.values()]
        .filter(({ acknowledged }) => !acknowledged)
        .map(({ state }) => state)
        .toSorted((a, b) => a.number - b.number)
        .slice(0, limit),
    acknowledge(acks) {
      save();
      for (const { taskArn, number } of acks) {
        const snapshot = snapshots.get(taskArn);
        if (snapshot !== undefined && snapshot.state.number <= number) snapshot.acknowledged = true;
      }
    },
    compareStateChanges(reported) {
      save();
      for (const { stateChangeNumber: number } of reported) stateChangeNumber = Math.max(stateChangeNumber, number);
      for (const { taskArn, stateChangeNumber: number } of reported) {
        const snapshot = snapshots.get(taskArn);
        if (snapshot === undefined || snapshot.state.number === number) continue;
        const { state } = snapshot;
        if (state.number < number) stateChangeNumber += 1;
        const next = state.number < number ? { ...state, number: stateChangeNumber } : state;
        snapshots.set(taskArn, { state: next, acknowledged: false });
      }
    },
    report(state) {
      stateChangeNumber += 1;
      snapshots.set(state.taskArn, { state: { ...state, number: stateChangeNumber }, acknowledged: false });
      const known = tasks.get(state.taskArn);
      const ended = state.lastStatus === 'STOPPED';
      const defaults: MemoryTask = { taskArn: state.taskArn, desiredStatus: 'RUNNING', assignmentNumber: 0, ended };
      tasks.set(state.taskArn, { ...(known ?? defaults), ended });
    },
    unacknowledged: () => [...snapshots.values()].filter(({ acknowledged }) => !acknowledged).length,
  };
  return memory;
}

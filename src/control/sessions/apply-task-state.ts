/**
 * What a state change reported by an agent makes of a task's row. Pure. Invariants (docs/session.md): a replay changes nothing (S7), a status
 * never goes back and STOPPED is final (S8), what control alone writes (placement, tags, the wish) stays as it is.
 */
import { hasStopped, laterTaskStatus, type Task, type TaskContainer } from '#model/task.ts';
import type { ContainerState, TaskState } from '#protocol/session/messages.ts';

/** The new row; undefined when the change says nothing new. `now` is epoch milliseconds, for moments that the agent left out. */
export function applyTaskState(task: Task, change: TaskState, now: number): Task | undefined {
  if (change.number <= task.stateChangeNumber || hasStopped(task)) return undefined;
  const lastStatus = laterTaskStatus(task.lastStatus, change.lastStatus);
  const stopped = lastStatus === 'STOPPED';
  const stopping = stopped || lastStatus === 'STOPPING';
  return {
    ...task,
    lastStatus,
    desiredStatus: stopped ? 'STOPPED' : task.desiredStatus,
    healthStatus: change.healthStatus,
    connectivity: 'CONNECTED',
    connectivityAt: task.connectivity === 'CONNECTED' ? (task.connectivityAt ?? now) : now,
    containers: task.containers.map((container) =>
      applyContainerState(
        container,
        change.containers.find(({ name }) => name === container.name),
      ),
    ),
    ...withAddresses(task, change),
    ...withoutUndefined({
      stopCode: change.stopCode ?? task.stopCode,
      stoppedReason: change.stoppedReason ?? task.stoppedReason,
      pullStartedAt: change.pullStartedAt ?? task.pullStartedAt,
      pullStoppedAt: change.pullStoppedAt ?? task.pullStoppedAt,
      startedAt: change.startedAt ?? task.startedAt,
      runningSince: task.runningSince ?? (change.startedAt === undefined ? undefined : now),
      executionStoppedAt: change.executionStoppedAt ?? task.executionStoppedAt,
      stoppingAt: task.stoppingAt ?? (stopping ? (change.executionStoppedAt ?? now) : undefined),
      // Control's own, as in ECS: it is kept for an hour from then on, whatever the machine's clock says and however long nothing was heard of it.
      stoppedAt: stopped ? now : undefined,
    }),
    version: task.version + 1,
    stateChangeNumber: change.number,
  };
}

function withAddresses(task: Task, { networkInterface }: TaskState): Pick<Task, 'networkAttachment'> {
  if (task.networkAttachment === undefined || networkInterface === undefined) return {};
  return { networkAttachment: { ...task.networkAttachment, ...networkInterface } };
}

/** A container that the change does not name keeps what is known of it; one that the task does not have is none of its business. */
function applyContainerState(container: TaskContainer, change: ContainerState | undefined): TaskContainer {
  if (change === undefined) return container;
  const { exitCode: _exitCode, reason: _reason, ...kept } = container;
  return { ...kept, ...change };
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function withoutUndefined<T extends object>(fields: T): Defined<T>;
function withoutUndefined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

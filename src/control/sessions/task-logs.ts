/** Finds whose logs are asked for and reads them through that agent's session. */
import type { LogEntry } from '#protocol/session/messages.ts';
import type { Store } from '../store/store.ts';
import { LogsError, type LogsRequest } from './logs.ts';
import type { Serving } from './serving.ts';

export interface TaskLogsOptions {
  readonly store: Store;
  /** The serving session of an instance, if any. */
  current(containerInstanceArn: string): Serving | undefined;
  readonly request: LogsRequest;
}

export async function* openTaskLogs({ store, current, request }: TaskLogsOptions): AsyncGenerator<LogEntry, void> {
  const { taskArn, follow, tail, sinceMs, signal } = request;
  const task = await store.read((tx) => tx.tasks.get(taskArn));
  if (task === undefined) throw new LogsError('task-not-found', `there is no task ${taskArn}`);
  const containerName = chooseContainer(
    task.containers.map(({ name }) => name),
    request.container,
  );
  const serving = task.containerInstanceArn === undefined ? undefined : current(task.containerInstanceArn);
  if (serving === undefined) {
    throw new LogsError('agent-not-connected', 'the agent of the task is not connected; its logs are on its host');
  }
  if (signal?.aborted) return;
  const stream = serving.openLogs({
    taskArn,
    containerName,
    follow,
    ...(tail === undefined ? {} : { tail }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
  });
  signal?.addEventListener('abort', stream.close, { once: true });
  try {
    for (let entry = await stream.next(); entry !== undefined; entry = await stream.next()) yield entry;
  } finally {
    signal?.removeEventListener('abort', stream.close);
    stream.close();
  }
}

function chooseContainer(names: readonly string[], wanted: string | undefined): string {
  const [only] = names;
  if (wanted === undefined && names.length === 1 && only !== undefined) return only;
  if (wanted !== undefined && names.includes(wanted)) return wanted;
  const problem = wanted === undefined ? 'name a container' : `the task has no container ${wanted}`;
  throw new LogsError('container-not-found', `${problem}; it has ${names.join(', ')}`);
}

/** When a task's snapshot says something new that is worth a transaction and a message. Progress of a start is not; what it waits for is. */
import { definitionOf, type AgentTask } from '../tasks/agent-task.ts';
import { pullingReason } from '../tasks/next-actions.ts';
import type { TaskSnapshot } from '../tasks/task-state.ts';

/** Two snapshots with the same key tell control the same. */
export function reportKey(snapshot: TaskSnapshot): string {
  if (snapshot.lastStatus !== 'PENDING') {
    const { lastStatus, healthStatus, stopCode, stoppedReason, startedAt, executionStoppedAt, stoppedAt } = snapshot;
    const { containers, networkInterface } = snapshot;
    const moments = [startedAt, executionStoppedAt, stoppedAt];
    return JSON.stringify([lastStatus, healthStatus, containers, networkInterface, stopCode, stoppedReason, moments]);
  }
  const containers = snapshot.containers.map(({ name, lastStatus, exitCode, reason, healthStatus }) => [
    name,
    lastStatus === 'STOPPED',
    exitCode,
    reason,
    healthStatus,
  ]);
  return JSON.stringify(['PENDING', containers]);
}

/** What must be on the disk before the next engine call although nobody is told: restarts, so that their policy survives the agent. */
export function bookkeepingKey(task: AgentTask): string {
  return JSON.stringify(task.containers.map(({ restarts }) => restarts));
}

/** How long a container has to wait for the same thing before the user is told. */
const worthTellingMs = 1000;

export interface WaitingReasons {
  /**
   * The newest reason of each waiting container that has lasted, also while another one has yet to; `nextAt` is when that one will have. So a short look in
   * between, as the agent takes at the engine now and then, makes nothing new of a wait that goes on.
   */
  lasting(reasons: ReadonlyMap<string, string>, now: number): { told: ReadonlyMap<string, string>; nextAt?: number };
}

export function createWaitingReasons(): WaitingReasons {
  const waits = new Map<string, { reason: string; since: number; lasted?: string }>();
  return {
    lasting(reasons, now) {
      const told = new Map<string, string>();
      let nextAt: number | undefined;
      for (const name of waits.keys()) {
        if (!reasons.has(name)) waits.delete(name);
      }
      for (const [name, reason] of reasons) {
        const before = waits.get(name);
        const since = before?.reason === reason ? before.since : now;
        const lasted = now - since >= worthTellingMs ? reason : before?.lasted;
        waits.set(name, { reason, since, ...(lasted === undefined ? {} : { lasted }) });
        if (lasted !== undefined) told.set(name, lasted);
        if (lasted !== reason) nextAt = Math.min(nextAt ?? Infinity, since + worthTellingMs);
      }
      return { told, ...(nextAt === undefined ? {} : { nextAt }) };
    },
  };
}

/** A container that waits for its image and for nothing else also tells how far the pull has come. */
export function withPullNews(
  task: AgentTask,
  told: ReadonlyMap<string, string>,
  news: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  if (news.size === 0) return told;
  const reasons = new Map(told);
  for (const [container, words] of news) {
    const definition = definitionOf(task, container);
    const isPulling = definition !== undefined && told.get(container) === pullingReason(definition);
    if (isPulling) reasons.set(container, `${told.get(container)}: ${words}`);
  }
  return reasons;
}

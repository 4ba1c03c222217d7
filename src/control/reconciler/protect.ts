/**
 * Protecting tasks from scale-in, inside the caller's transaction: UpdateTaskProtection and the wish of a task itself both come through here. A
 * stop that was decided before stays; what is granted is seen by every decision from then on.
 */
import type { ProtectionChange } from '#model/task-protection.ts';
import type { Service } from '#model/service.ts';
import type { Task } from '#model/task.ts';
import type { StoreTransaction } from '#control/store/store.ts';
import { decideProtection, type ProtectionOutcome } from '../deployments/task-protection.ts';

interface ServiceView {
  service: Service | undefined;
  tasks: Map<string, Task>;
}

/** A function that changes one task after the other; each service is read once. */
export function protectionOf(
  tx: StoreTransaction,
  change: ProtectionChange,
  now: number,
): (task: Task) => Promise<ProtectionOutcome> {
  const views = new Map<string, ServiceView>();

  async function viewOf({ clusterName, serviceName = '' }: Task): Promise<ServiceView> {
    const known = views.get(serviceName);
    if (known !== undefined) return known;
    const service = await tx.services.get(clusterName, serviceName);
    const live = change.protectionEnabled ? await tx.tasks.all({ clusterName, serviceName, live: true }) : [];
    const view = { service, tasks: new Map(live.map((task) => [task.taskArn, task])) };
    views.set(serviceName, view);
    return view;
  }

  return async (task) => {
    const view = task.serviceName === undefined ? undefined : await viewOf(task);
    const serviceTasks = [...(view?.tasks.values() ?? [])];
    const outcome = decideProtection({ task, service: view?.service, serviceTasks, change }, now);
    if (outcome.kind === 'granted' && outcome.task !== task) {
      await tx.tasks.put(outcome.task);
      view?.tasks.set(task.taskArn, outcome.task);
    }
    return outcome;
  };
}

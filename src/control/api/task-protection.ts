/** UpdateTaskProtection and GetTaskProtection. What cannot be protected is a failure of its own and keeps no other task from it. */
import type { Failure } from '#model/placement.ts';
import type { Task } from '#model/task.ts';
import { renderProtectedTask } from '#protocol/ecs/render-task.ts';
import { notOfAService } from '../deployments/task-protection.ts';
import { protectionOf } from '../reconciler/protect.ts';
import type { StoreTransaction } from '../store/store.ts';
import type { HandlerContext, Handlers } from './handler.ts';
import { activeCluster, taskArnIn } from './lookups.ts';

export const taskProtectionHandlers: Handlers<'UpdateTaskProtection' | 'GetTaskProtection'> = {
  async UpdateTaskProtection({ store, realm, clock }, { cluster, tasks: references, ...change }) {
    return store.write(async (tx) => {
      const { found, failures } = await namedTasks(tx, realm, { cluster, references });
      const now = clock.now();
      const protect = protectionOf(tx, change, now);
      const protectedTasks: object[] = [];
      for (const task of found) {
        const outcome = await protect(task);
        if (outcome.kind === 'granted') protectedTasks.push(renderProtectedTask(outcome.task, now));
        else failures.push({ arn: task.taskArn, reason: outcome.reason, detail: outcome.detail });
      }
      return { protectedTasks, failures };
    });
  },

  async GetTaskProtection({ store, realm, clock }, { cluster, tasks: references }) {
    return store.read(async (tx) => {
      const { found, failures } = await namedTasks(tx, realm, { cluster, references });
      const now = clock.now();
      const ofServices = found.filter(({ serviceName }) => serviceName !== undefined);
      for (const { taskArn, serviceName } of found) {
        if (serviceName === undefined) failures.push({ arn: taskArn, reason: 'TASK_NOT_VALID', detail: notOfAService });
      }
      return { protectedTasks: ofServices.map((task) => renderProtectedTask(task, now)), failures };
    });
  },
};

interface NamedTasks {
  found: Task[];
  failures: Failure[];
}

async function namedTasks(
  tx: StoreTransaction,
  realm: HandlerContext['realm'],
  { cluster, references }: { cluster: string | undefined; references: readonly string[] },
): Promise<NamedTasks> {
  const { clusterName } = await activeCluster(tx, realm, cluster);
  const arns = [...new Set(references.map((each) => taskArnIn(realm, clusterName, each)))];
  const found = (await tx.tasks.getMany(arns)).filter((task) => task.clusterName === clusterName);
  const known = new Set(found.map(({ taskArn }) => taskArn));
  const missing = arns.filter((arn) => !known.has(arn));
  return { found, failures: missing.map((arn): Failure => ({ arn, reason: 'MISSING' })) };
}

/**
 * `GET /berth/v1/last-output?task=`: the last lines of the containers of a task that failed by themselves, as their agent kept them with the stop.
 * It is no part of ECS's answers, whose clients expect ECS's fields.
 */
import { z } from 'zod';
import { clusterNameOf, type Realm } from '#model/arn.ts';
import { invalidParameter, taskNotFound } from '#protocol/ecs/errors.ts';
import type { Store } from '../store/store.ts';
import { taskArnIn } from './lookups.ts';

export interface LastOutput {
  /** Only containers that have any; lines without their ends, oldest first. */
  containers: { name: string; lines: readonly string[] }[];
}

const outputQuery = z.strictObject({
  task: z.string().min(1).max(2048),
  cluster: z.string().max(2048).exactOptional(),
});

/** Throws an EcsError. */
export async function findLastOutput(
  query: unknown,
  { store, realm }: { store: Store; realm: Realm },
): Promise<LastOutput> {
  const parsed = outputQuery.safeParse(query);
  if (!parsed.success) throw invalidParameter('task: expected an ARN or an id, and perhaps a cluster');
  const { task: reference, cluster } = parsed.data;
  const arn = reference.startsWith('arn:') ? reference : taskArnIn(realm, clusterNameOf(cluster), reference);
  const task = await store.read((tx) => tx.tasks.get(arn));
  if (task === undefined) throw taskNotFound();
  return {
    containers: task.containers.flatMap(({ name, lastOutput = [] }) =>
      lastOutput.length === 0 ? [] : [{ name, lines: lastOutput }],
    ),
  };
}

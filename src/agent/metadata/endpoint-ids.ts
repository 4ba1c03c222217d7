/**
 * The random id in the URLs that a container is given: whoever knows it may ask on behalf of that container, so nobody can guess it. It follows
 * from the container's name and a secret of this machine, which is kept in a file of its own beside the journal: containers keep their URLs
 * through restarts of the agent, and also when the journal is lost.
 */
import { createHmac } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readFileIfThere } from '#lib/durable-file.ts';
import type { Ids } from '#lib/ids.ts';
import type { AgentContainer, AgentTask } from '../tasks/agent-task.ts';

export interface EndpointIds {
  idOf(taskArn: string, container: string): string;
}

export interface FoundContainer {
  task: AgentTask;
  container: AgentContainer;
}

const fileName = 'endpoint-secret';
const wellFormed = /^[0-9a-f]{64}$/;
const idLength = 32;

/** Reads the secret of this state folder, and makes it at the first start. */
export function endpointSecretIn(folder: string, ids: Ids): string {
  const path = join(folder, fileName);
  const saved = readFileIfThere(path)?.trim();
  if (saved !== undefined && wellFormed.test(saved)) return saved;
  const secret = ids.hex(64);
  writeFileSync(`${path}.new`, `${secret}\n`, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
  return secret;
}

export function createEndpointIds(secret: string): EndpointIds {
  return {
    idOf: (taskArn, container) =>
      createHmac('sha256', secret).update(`${taskArn}\n${container}`).digest('hex').slice(0, idLength),
  };
}

/** Finds the container behind an id among the tasks that the agent has. */
export function createEndpointLookup(
  { idOf }: EndpointIds,
  tasks: () => readonly AgentTask[],
): (id: string) => FoundContainer | undefined {
  let known = new Map<string, { taskArn: string; name: string }>();

  function learn(): void {
    known = new Map();
    for (const { assignment, containers } of tasks()) {
      for (const { name } of containers)
        known.set(idOf(assignment.taskArn, name), { taskArn: assignment.taskArn, name });
    }
  }

  return (id) => {
    if (!known.has(id)) learn();
    const wanted = known.get(id);
    if (wanted === undefined) return undefined;
    const task = tasks().find(({ assignment }) => assignment.taskArn === wanted.taskArn);
    const container = task?.containers.find(({ name }) => name === wanted.name);
    return task === undefined || container === undefined ? undefined : { task, container };
  };
}

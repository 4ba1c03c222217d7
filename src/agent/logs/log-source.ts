/** Where the lines of a container come from: for now the engine keeps them. */
import type { ContainerEngine, LogEntry } from '../engine/container-engine.ts';
import type { LogSource, LogSourceRequest } from '../session/log-streams.ts';
import { containerNamed, type AgentTask } from '../tasks/agent-task.ts';

/** Its message is for the user who asked for the lines. */
export class LogsUnavailableError extends Error {
  override readonly name = 'LogsUnavailableError';
}

export interface EngineLogSourceOptions {
  engine: Pick<ContainerEngine, 'logs'>;
  task(taskArn: string): AgentTask | undefined;
}

export function createEngineLogSource({ engine, task }: EngineLogSourceOptions): LogSource {
  async function* open(request: LogSourceRequest): AsyncIterable<LogEntry> {
    const { taskArn, containerName, ...rest } = request;
    const known = task(taskArn);
    if (known === undefined) throw new LogsUnavailableError(`this container instance no longer has task ${taskArn}`);
    const container = containerNamed(known, containerName);
    if (container === undefined) throw new LogsUnavailableError(`the task has no container ${containerName}`);
    if (container.removed) throw new LogsUnavailableError(`container ${containerName} was cleaned up`);
    const { phase } = container;
    const created =
      phase.name === 'CREATED' || phase.name === 'RUNNING' || (phase.name === 'STOPPED' && phase.engineId);
    if (!created) throw new LogsUnavailableError(`container ${containerName} has not been created`);
    yield* engine.logs(container.engineName, rest);
  }
  return { open };
}

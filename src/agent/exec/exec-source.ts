/**
 * Runs commands in the containers of this agent's tasks, as root like ECS. A command does not outlive its client: when that goes, it gets SIGHUP, as
 * from a terminal that is hung up, and what is left of its session after a moment SIGKILL. The engine has no call for that, so it is done from
 * the host (host/processes.ts), and cannot be where the engine is on another machine.
 */
import { createBackground } from '#lib/background.ts';
import type { Clock } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import type { Logger } from '#lib/logger.ts';
import type { ContainerEngine } from '../engine/container-engine.ts';
import type { EngineExec, ExecProcess, ExecStatus } from '../engine/engine-exec.ts';
import type { CommandProcess, ContainerProcesses } from '../host/processes.ts';
import type { ExecRequest, ExecSource, RunningExec } from '../session/exec-streams.ts';
import { containerNamed, type AgentTask } from '../tasks/agent-task.ts';
import { machineLabel } from '../tasks/container-config.ts';

/** Its message is for the user who asked for the command. */
export class ExecUnavailableError extends Error {
  override readonly name = 'ExecUnavailableError';
}

export interface ExecSourceOptions {
  engine: Pick<ContainerEngine, 'list'>;
  execEngine: EngineExec;
  machineId: string;
  task(taskArn: string): AgentTask | undefined;
  /** Absent where the engine's processes are not this machine's. */
  processes?: ContainerProcesses;
  clock: Clock;
  logger: Logger;
}

export interface ContainerExecs extends ExecSource {
  /** Looks for commands that an earlier run of the agent left behind, and ends them. Nothing new is started before they are found. */
  open(): void;
  /** Looks no longer; resolves when every command that was abandoned has been dealt with. */
  close(): Promise<void>;
}

const rootUser = '0';
/** From SIGHUP to SIGKILL; an agent that stops waits for it. */
const hangUpMs = 2000;
/** Between two looks for leftovers at an engine that does not answer. */
const leftoverLookMs = 10_000;
/** The engine hears of a command's beginning and end a moment after the command. */
const statusLooks = { firstMs: 5, lastMs: 1000, factor: 2 };

interface Place {
  engineName: string;
  engineId: string;
}

export function createExecSource(options: ExecSourceOptions): ContainerExecs {
  const { engine, execEngine, machineId, task, processes, clock, logger } = options;
  const background = createBackground({
    onError: (name, error) => logger.error({ error, name }, 'a command in a container could not be ended'),
  });

  const closing = new AbortController();
  let leftoversFound: Promise<void> = Promise.resolve();

  function placeOf({ taskArn, containerName }: ExecRequest): Place {
    const known = task(taskArn);
    if (known === undefined) throw new ExecUnavailableError(`this container instance no longer has task ${taskArn}`);
    const container = containerNamed(known, containerName);
    if (container === undefined) throw new ExecUnavailableError(`the task has no container ${containerName}`);
    const { phase, engineName } = container;
    if (phase.name !== 'RUNNING') throw new ExecUnavailableError(`container ${containerName} does not run`);
    return { engineName, engineId: phase.engineId };
  }

  /** The engine answers a start before there is a process. Undefined when the command has ended by itself. */
  async function find(process: ExecProcess, engineId: string): Promise<CommandProcess | undefined> {
    for await (const status of looks(process)) {
      if (status.state === 'exited') return undefined;
      if (status.pid !== undefined) return processes?.find(status.pid, engineId);
    }
    return undefined;
  }

  /** At what the engine says of a command, often at first. */
  async function* looks(process: ExecProcess): AsyncGenerator<ExecStatus> {
    for (let waitMs = statusLooks.firstMs; ; waitMs = Math.min(waitMs * statusLooks.factor, statusLooks.lastMs)) {
      const status = await process.status();
      if (status === undefined) throw new ExecUnavailableError('the engine has lost the command');
      yield status;
      await clock.sleep(waitMs);
    }
  }

  async function hangUp(command: CommandProcess): Promise<void> {
    if (processes === undefined || (await processes.signalSession(command, 'SIGHUP')) === 0) return;
    await clock.sleep(hangUpMs);
    await processes.signalSession(command, 'SIGKILL');
  }

  async function end(
    process: ExecProcess,
    engineId: string,
    found: Promise<CommandProcess | undefined>,
  ): Promise<void> {
    try {
      process.endInput();
      // What could not be looked for then is looked for once more.
      const command = await found.catch(() => find(process, engineId));
      if (command !== undefined) await hangUp(command);
      else if (processes === undefined) {
        logger.warn({ engineId }, 'a client went; its command got the end of its input and may run on');
      }
    } finally {
      process.close();
    }
  }

  async function findLeftovers(there: ContainerProcesses): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        for (const { id } of await engine.list({ [machineLabel]: machineId })) {
          for (const pid of await execEngine.execPids(id)) {
            const command = await there.find(pid, id);
            if (command === undefined) continue;
            logger.warn({ engineId: id, pid }, 'a command of an earlier run of this agent is ended');
            background.spawn('the end of a command of an earlier run', hangUp(command));
          }
        }
        return;
      } catch (error) {
        logger.warn({ error }, 'cannot look for commands of an earlier run yet');
        await clock.sleep(leftoverLookMs, closing.signal).catch(() => undefined);
      }
    }
  }

  async function exitCodeOf(process: ExecProcess): Promise<number> {
    for await (const status of looks(process)) if (status.state === 'exited') return status.exitCode;
    throw new ExecUnavailableError('the engine has lost the command');
  }

  return {
    async start(request): Promise<RunningExec> {
      const { command, interactive, terminal } = request;
      const { engineName, engineId } = placeOf(request);
      await leftoversFound;
      const process = await execEngine.exec(engineName, {
        command,
        user: rootUser,
        environment: terminal?.name === undefined ? [] : [`TERM=${terminal.name}`],
        interactive,
        ...(terminal === undefined ? {} : { terminal }),
      });
      const found = find(process, engineId);
      // Looked for early, so that it is known as long as its number is its own; whoever needs it hears of a failure.
      found.catch(() => undefined);
      let abandoned = false;
      return {
        output: process.output,
        write: (data) => process.write(data),
        endInput: () => process.endInput(),
        resize(size) {
          process.resize(size).catch((error: unknown) => {
            if (!abandoned) logger.warn({ error: messageOf(error), engineId }, 'a terminal could not be resized');
          });
        },
        exitCode: () => exitCodeOf(process),
        close: () => process.close(),
        abandon() {
          abandoned = true;
          background.spawn(`the end of a command in ${engineName}`, end(process, engineId, found));
        },
      };
    },

    open() {
      if (processes === undefined) return;
      leftoversFound = findLeftovers(processes);
      background.spawn('the look for commands of an earlier run', leftoversFound);
    },

    close() {
      closing.abort();
      return background.settled();
    },
  };
}

/**
 * ExecuteCommand: checks that the command may run and hands out leave to run it once (docs/exec.md). The stream is on the address under which the
 * caller reached us, as its signature covers it.
 */
import { clusterArn } from '#model/arn.ts';
import { splitWords } from '#model/command-words.ts';
import type { Task, TaskContainer } from '#model/task.ts';
import {
  clientException,
  executeCommandNotEnabled,
  invalidParameter,
  targetNotConnected,
  taskNotFound,
} from '#protocol/ecs/errors.ts';
import { execPath } from '#protocol/exec/messages.ts';
import { ExecError } from '../sessions/exec-grants.ts';
import type { Handlers } from './handler.ts';
import { activeCluster, taskArnIn } from './lookups.ts';

export const executeCommandHandlers: Handlers<'ExecuteCommand'> = {
  async ExecuteCommand({ store, realm, execs, origin, principal }, input) {
    const { interactive } = input;
    const command = wordsOf(input.command);
    const task = await store.read(async (tx) => {
      const { clusterName } = await activeCluster(tx, realm, input.cluster);
      const found = await tx.tasks.get(taskArnIn(realm, clusterName, input.task));
      if (found === undefined || found.clusterName !== clusterName) throw taskNotFound();
      return found;
    });
    const { taskArn, containerInstanceArn } = checkTask(task);
    const { name: containerName, containerArn } = chosenContainer(task, input.container);
    try {
      const place = { taskArn, containerName, containerInstanceArn };
      const grant = execs.grant({ ...place, command, interactive, principalArn: principal.arn });
      return {
        clusterArn: clusterArn(realm, task.clusterName),
        taskArn,
        containerArn,
        containerName,
        interactive,
        session: {
          sessionId: grant.sessionId,
          streamUrl: `${origin.replace(/^http/, 'ws')}${execPath}${grant.sessionId}`,
          tokenValue: grant.token,
        },
      };
    } catch (error) {
      if (!(error instanceof ExecError)) throw error;
      throw error.kind === 'agent-not-connected'
        ? targetNotConnected(`The execute command failed because ${error.message}. Try again later.`)
        : clientException(`The execute command failed: ${error.message}.`);
    }
  },
};

function wordsOf(command: string): string[] {
  const split = splitWords(command);
  if (!split.ok) throw invalidParameter(`command: ${split.problem}`);
  if (split.words.length === 0 || split.words[0] === '') throw invalidParameter('command: it has no program');
  return split.words;
}

function checkTask(task: Task): { taskArn: string; containerInstanceArn: string } {
  const { taskArn, containerInstanceArn, lastStatus, enableExecuteCommand } = task;
  if (lastStatus !== 'RUNNING' || containerInstanceArn === undefined) {
    throw invalidParameter(`The execute command failed because the task is not RUNNING: it is ${lastStatus}.`);
  }
  if (!enableExecuteCommand) throw executeCommandNotEnabled();
  return { taskArn, containerInstanceArn };
}

/** May be left out when the task has one container. */
function chosenContainer({ containers }: Task, wanted: string | undefined): TaskContainer {
  const names = containers.map(({ name }) => name).join(', ');
  const [only] = containers;
  if (wanted === undefined && containers.length > 1) {
    throw invalidParameter(`The task has several containers; name one of them: ${names}.`);
  }
  const container = wanted === undefined ? only : containers.find(({ name }) => name === wanted);
  if (container === undefined) throw invalidParameter(`The task has no container ${wanted ?? ''}; it has: ${names}.`);
  if (container.lastStatus !== 'RUNNING') {
    throw invalidParameter(
      `The execute command failed because container ${container.name} is not RUNNING: it is ${container.lastStatus}.`,
    );
  }
  return container;
}

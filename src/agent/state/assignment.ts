/** From control's assignment to the agent's task: the one place where the message's open shapes become the model's types. */
import { z } from 'zod';
import type { TaskDefinitionBody } from '#model/task-definition.ts';
import type { TaskOverride } from '#model/task.ts';
import type { Assignment, Assignments } from '#protocol/session/messages.ts';
import { newAgentTask, type AgentTask, type StopCause } from '../tasks/agent-task.ts';

/** What the agent cannot do without; the rest was judged by control when the definition was registered. */
const bodyShape = z.looseObject({
  family: z.string(),
  containerDefinitions: z.array(z.looseObject({ name: z.string().min(1), image: z.string().min(1) })).min(1),
});
const DefinitionBody = z.custom<TaskDefinitionBody>((value) => bodyShape.safeParse(value).success);

const overrideShape = z.looseObject({ containerOverrides: z.array(z.looseObject({})).exactOptional() });
const Override = z.custom<TaskOverride>((value) => overrideShape.safeParse(value).success);

/** The cause of an assignment that is to stop without saying why, and of a confirmed stop. */
export const unwantedCause: StopCause = {
  stopCode: 'InfrastructureHealth',
  reason: 'The task is no longer assigned to this container instance',
};

/** A task that cannot be understood becomes one that is over before it began, so that control learns why. */
export function taskFromAssignment(
  assignment: Assignment,
  definitions: Assignments['definitions'],
  assignmentNumber: number,
): AgentTask {
  const { desiredStatus, stop, overrides, ...rest } = assignment;

  const definition = DefinitionBody.safeParse(definitions[assignment.taskDefinitionArn]);
  const override = Override.safeParse(overrides);
  if (definition.success && override.success) {
    const cause = desiredStatus === 'STOPPED' ? (stop ?? unwantedCause) : undefined;
    return newAgentTask({
      assignment: { ...rest, overrides: override.data },
      definition: definition.data,
      desiredStatus,
      assignmentNumber,
      ...(cause === undefined ? {} : { stop: cause }),
    });
  }
  const what = definition.success ? 'the overrides of the task' : `the task definition ${assignment.taskDefinitionArn}`;
  return newAgentTask({
    assignment: { ...rest, overrides: {} },
    definition: { family: assignment.family, containerDefinitions: [] },
    desiredStatus,
    assignmentNumber,
    stop: { stopCode: 'TaskFailedToStart', reason: `UnrecognizedTaskError: ${what} cannot be read by this agent` },
  });
}

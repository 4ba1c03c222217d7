/** Task definitions as answers show them: what was sent, unchanged, and what registration added. Tags stand beside it, not in it. */
import type { TaskDefinition as SdkTaskDefinition } from '@aws-sdk/client-ecs';
import type { TaskDefinition } from '#model/task-definition.ts';
import { optionalSeconds, present, seconds, type Wire } from './wire.ts';

export function renderTaskDefinition(definition: TaskDefinition): Wire<SdkTaskDefinition> {
  return {
    ...definition.body,
    ...present({
      taskDefinitionArn: definition.taskDefinitionArn,
      revision: definition.revision,
      status: definition.status,
      requiresAttributes: definition.requiresAttributes,
      compatibilities: definition.compatibilities,
      registeredAt: seconds(definition.registeredAt),
      deregisteredAt: optionalSeconds(definition.deregisteredAt),
      deleteRequestedAt: optionalSeconds(definition.deleteRequestedAt),
      registeredBy: definition.registeredBy,
    }),
  };
}

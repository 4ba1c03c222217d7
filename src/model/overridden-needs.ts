/** What the overrides of a launch ask of a host besides its definition, so that placement refuses what the agents do not carry out. */
import type { ContainerDefinition } from './container-definition.ts';
import { requiredAttributes } from './task-definition-requirements.ts';
import type { TaskDefinition } from './task-definition.ts';
import type { TaskOverride } from './task.ts';

/** The definition as it is once the overrides are applied, as far as they need something of a host. */
export function withOverriddenNeeds(definition: TaskDefinition, overrides: TaskOverride): TaskDefinition {
  const { taskRoleArn, cpu, containerOverrides = [] } = overrides;
  const containerDefinitions = definition.body.containerDefinitions.map((container): ContainerDefinition => {
    const override = containerOverrides.find((each) => each.name === container.name);
    return {
      ...container,
      ...(override?.environmentFiles === undefined ? {} : { environmentFiles: override.environmentFiles }),
      ...(override?.resourceRequirements === undefined ? {} : { resourceRequirements: override.resourceRequirements }),
    };
  });
  const body = {
    ...definition.body,
    containerDefinitions,
    ...(taskRoleArn === undefined ? {} : { taskRoleArn }),
    ...(cpu === undefined ? {} : { cpu }),
  };
  return { ...definition, requiresAttributes: requiredAttributes(body) };
}

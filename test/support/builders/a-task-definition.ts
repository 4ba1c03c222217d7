/** The first ACTIVE revision of the family `web` with one container; the ARN follows family and revision. */
import { defaultRealm, taskDefinitionArn } from '#model/arn.ts';
import type { TaskDefinition, TaskDefinitionBody } from '#model/task-definition.ts';
import { aContainerDefinition } from './a-container-definition.ts';
import { builtAt } from './unique.ts';

export type TaskDefinitionOverrides = Partial<Omit<TaskDefinition, 'body'>> & { body?: Partial<TaskDefinitionBody> };

export function aTaskDefinition({ body, ...overrides }: TaskDefinitionOverrides = {}): TaskDefinition {
  const family = overrides.family ?? body?.family ?? 'web';
  const revision = overrides.revision ?? 1;
  return {
    taskDefinitionArn: taskDefinitionArn(defaultRealm, family, revision),
    family,
    revision,
    status: 'ACTIVE',
    registeredAt: builtAt,
    requiresAttributes: [],
    compatibilities: ['EXTERNAL', 'EC2'],
    tags: [],
    ...overrides,
    body: { containerDefinitions: [aContainerDefinition()], ...body, family },
  };
}

/** RegisterTaskDefinition and everything else about task definitions. A revision is never changed; only its status and tags are. */
import { taskDefinitionArn } from '#model/arn.ts';
import { compatibilities, requiredAttributes } from '#model/task-definition-requirements.ts';
import { validateTaskDefinition } from '#model/task-definition-validation.ts';
import type { TaskDefinition, TaskDefinitionBody } from '#model/task-definition.ts';
import { clientException, invalidParameter, taskDefinitionNotFound } from '#protocol/ecs/errors.ts';
import { renderTaskDefinition } from '#protocol/ecs/render-task-definition.ts';
import type { StoreTransaction } from '../store/store.ts';
import type { HandlerContext, Handlers } from './handler.ts';
import { checkExpression } from './launch-checks.ts';
import { findDefinition, parseDefinitionReference } from './lookups.ts';
import { paged } from './paging.ts';

const maximumProblemsTold = 5;

export const taskDefinitionHandlers: Handlers<
  | 'RegisterTaskDefinition'
  | 'DescribeTaskDefinition'
  | 'ListTaskDefinitions'
  | 'ListTaskDefinitionFamilies'
  | 'DeregisterTaskDefinition'
  | 'DeleteTaskDefinitions'
> = {
  async RegisterTaskDefinition({ store, realm, clock, principal }, { tags = [], ...body }) {
    refuseUnlessValid(body);
    return store.write(async (tx) => {
      const revision = (await tx.taskDefinitions.lastRevision(body.family)) + 1;
      const definition: TaskDefinition = {
        taskDefinitionArn: taskDefinitionArn(realm, body.family, revision),
        family: body.family,
        revision,
        status: 'ACTIVE',
        registeredAt: clock.now(),
        registeredBy: principal.arn,
        requiresAttributes: requiredAttributes(body),
        compatibilities: compatibilities(body),
        tags,
        body,
      };
      await tx.taskDefinitions.put(definition);
      return { taskDefinition: renderTaskDefinition(definition), tags };
    });
  },

  async DescribeTaskDefinition({ store, realm }, { taskDefinition: reference, include = [] }) {
    const definition = await store.read((tx) => findDefinition(tx, realm, reference));
    if (definition === undefined) throw taskDefinitionNotFound();
    return {
      taskDefinition: renderTaskDefinition(definition),
      tags: include.includes('TAGS') ? definition.tags : [],
    };
  },

  async ListTaskDefinitions({ store }, input) {
    const { familyPrefix: family, status = 'ACTIVE', sort = 'ASC' } = input;
    const filter = { ...(family === undefined || family === '' ? {} : { family }), status, sort };
    const { items, token } = await paged(input, { operation: 'ListTaskDefinitions', ...filter }, (page) =>
      store.read((tx) => tx.taskDefinitions.list(filter, page)),
    );
    return { taskDefinitionArns: items.map((item) => item.taskDefinitionArn), ...token };
  },

  async ListTaskDefinitionFamilies({ store }, input) {
    const { familyPrefix: prefix, status = 'ACTIVE' } = input;
    const filter = { ...(prefix === undefined ? {} : { prefix }), status };
    const { items, token } = await paged(input, { operation: 'ListTaskDefinitionFamilies', ...filter }, (page) =>
      store.read((tx) => tx.taskDefinitions.families(filter, page)),
    );
    return { families: items, ...token };
  },

  async DeregisterTaskDefinition({ store, realm, clock }, { taskDefinition: reference }) {
    requireRevision(realm, reference);
    return store.write(async (tx) => {
      const definition = await findDefinition(tx, realm, reference);
      if (definition === undefined) throw clientException('The specified task definition does not exist.');
      if (definition.status !== 'ACTIVE') return { taskDefinition: renderTaskDefinition(definition) };
      const inactive: TaskDefinition = { ...definition, status: 'INACTIVE', deregisteredAt: clock.now() };
      await tx.taskDefinitions.put(inactive);
      return { taskDefinition: renderTaskDefinition(inactive) };
    });
  },

  async DeleteTaskDefinitions(context, { taskDefinitions: references }) {
    for (const reference of references) requireRevision(context.realm, reference);
    return context.store.write(async (tx) => {
      const taskDefinitions: object[] = [];
      const failures: object[] = [];
      for (const reference of new Set(references)) {
        const outcome = await markForDeletion(tx, context, reference);
        if ('reason' in outcome) failures.push(outcome);
        else taskDefinitions.push(renderTaskDefinition(outcome));
      }
      return { taskDefinitions, failures };
    });
  },
};

function refuseUnlessValid(body: TaskDefinitionBody): void {
  const problems = validateTaskDefinition(body).map((problem) => problem.message);
  if (problems.length > 0) throw clientException(problems.slice(0, maximumProblemsTold).join(' '));
  for (const { expression = '' } of body.placementConstraints ?? []) checkExpression(expression);
}

/** Only a revision can be given up, never whatever happens to be the latest. */
function requireRevision(realm: HandlerContext['realm'], reference: string): void {
  const parsed = parseDefinitionReference(realm, reference);
  if (parsed !== undefined && parsed.revision === undefined) {
    throw invalidParameter(`Revision is missing: ${reference}. Expected family:revision or an ARN.`);
  }
}

/** It stays DELETE_IN_PROGRESS until nothing uses it any more. */
async function markForDeletion(
  tx: StoreTransaction,
  { realm, clock }: HandlerContext,
  reference: string,
): Promise<TaskDefinition | { arn: string; reason: string }> {
  const definition = await findDefinition(tx, realm, reference);
  if (definition === undefined) {
    return {
      arn: reference,
      reason: 'The specified task definition does not exist. Specify a valid account, family, revision and try again.',
    };
  }
  if (definition.status === 'ACTIVE') {
    return {
      arn: definition.taskDefinitionArn,
      reason: 'The specified task definition is still in ACTIVE status. Please deregister the target and try again.',
    };
  }
  if (definition.status === 'DELETE_IN_PROGRESS') return definition;
  const deleting: TaskDefinition = { ...definition, status: 'DELETE_IN_PROGRESS', deleteRequestedAt: clock.now() };
  await tx.taskDefinitions.put(deleting);
  return deleting;
}

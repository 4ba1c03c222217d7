/**
 * The part of Systems Manager's API through which machines join (ECS Anywhere): activations are made, shown and deleted, machines lose their certificates.
 * `berth:cluster` among the tags of an activation names the cluster; the others become tags of the instances.
 */
import type { z } from 'zod';
import type { Clock } from '#lib/clock.ts';
import type { Ids } from '#lib/ids.ts';
import { daysMs, isMachineId, type Activation } from '#model/machine-trust.ts';
import type { Tag } from '#model/tag.ts';
import { EcsError, unknownOperation } from '#protocol/ecs/errors.ts';
import { parseWith } from '#protocol/ecs/parse.ts';
import { isSsmOperationName, ssmOperations, type SsmInputOf, type SsmOperationName } from '#protocol/ssm/operations.ts';
import type { Store } from '../store/store.ts';
import {
  clusterTag,
  defaultActivationMs,
  isExpired,
  longestActivationMs,
  newActivation,
} from '../trust/activations.ts';
import { revokeMachine } from '../trust/joining.ts';

export interface SsmContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly ids: Ids;
  /** The certificates of the machine are revoked. */
  revoked(machineId: string): void;
}

type SsmHandlers = {
  readonly [Name in SsmOperationName]: (context: SsmContext, input: SsmInputOf<Name>) => Promise<object>;
};

const handlers: SsmHandlers = {
  async CreateActivation({ store, clock, ids }, input) {
    const now = clock.now();
    const expiresAt = input.ExpirationDate === undefined ? now + defaultActivationMs : input.ExpirationDate * 1000;
    if (expiresAt <= now) throw invalid('ExpirationDate: expected a time to come');
    if (expiresAt > now + longestActivationMs) {
      throw invalid(`ExpirationDate: expected a time within ${longestActivationMs / daysMs} days`);
    }
    const tags = tagsOf(input.Tags ?? []);
    const clusterName = tags.find(({ key }) => key === clusterTag)?.value ?? 'default';
    const { activation, activationCode } = newActivation(ids, now, {
      clusterName,
      tags: tags.filter(({ key }) => key !== clusterTag),
      iamRole: input.IamRole,
      registrationLimit: input.RegistrationLimit ?? 1,
      expiresAt,
      ...(input.Description !== undefined && { description: input.Description }),
      ...(input.DefaultInstanceName !== undefined && { defaultInstanceName: input.DefaultInstanceName }),
    });
    await store.write(async (tx) => {
      if ((await tx.clusters.get(clusterName))?.status !== 'ACTIVE') {
        throw invalid(`Tags: ${clusterTag} names the cluster ${clusterName}, which does not exist`);
      }
      await tx.activations.put(activation);
    });
    return { ActivationId: activation.activationId, ActivationCode: activationCode };
  },

  async DescribeActivations({ store, clock }, { Filters = [], MaxResults, NextToken }) {
    const page = { limit: MaxResults ?? 50, ...(NextToken !== undefined && { after: NextToken }) };
    const { items, next } = await store.read((tx) => tx.activations.list(page));
    const wanted = items.filter((activation) =>
      Filters.every(({ FilterKey, FilterValues }) => FilterValues.includes(filteredValue(activation, FilterKey))),
    );
    return {
      ActivationList: wanted.map((activation) => render(activation, clock.now())),
      ...(next !== undefined && { NextToken: next }),
    };
  },

  async DeleteActivation({ store }, { ActivationId }) {
    await store.write(async (tx) => {
      if ((await tx.activations.get(ActivationId)) === undefined) {
        throw new EcsError('InvalidActivation', `There is no activation ${ActivationId}.`);
      }
      await tx.activations.delete(ActivationId);
    });
    return {};
  },

  async DeregisterManagedInstance({ store, clock, revoked }, { InstanceId: machineId }) {
    const count = isMachineId(machineId) ? await store.write((tx) => revokeMachine(tx, machineId, clock.now())) : 0;
    if (count === 0) {
      throw new EcsError(
        'InvalidInstanceId',
        `There is no machine ${machineId} with a certificate that could be revoked.`,
      );
    }
    revoked(machineId);
    return {};
  },
};

/** The same table, typed so that an operation's name alone says what its schema gives. */
const schemas: { readonly [Name in SsmOperationName]: z.ZodType<SsmInputOf<Name>> } = ssmOperations;

/** The body of the answer. Rejects with an EcsError. */
export async function answerSsm(context: SsmContext, operation: string, body: unknown): Promise<object> {
  if (!isSsmOperationName(operation)) throw unknownOperation(operation);
  return answer(context, operation, body);
}

async function answer<Name extends SsmOperationName>(
  context: SsmContext,
  operation: Name,
  body: unknown,
): Promise<object> {
  const parsed = parseWith(schemas[operation], body);
  if (!parsed.ok)
    throw parsed.error.code === 'InvalidParameterException' ? invalid(parsed.error.message) : parsed.error;
  return handlers[operation](context, parsed.input);
}

function tagsOf(given: readonly { Key: string; Value: string }[]): { key: string; value: string }[] {
  const keys = given.map(({ Key }) => Key);
  const repeated = keys.find((key, at) => keys.indexOf(key) !== at);
  if (repeated !== undefined) throw invalid(`Tags: ${repeated} is there twice`);
  const reserved = keys.find((key) => /^aws:/i.test(key));
  if (reserved !== undefined) throw invalid(`Tags: ${reserved} begins with aws:, which is reserved`);
  return given.map(({ Key, Value }) => ({ key: Key, value: Value }));
}

function filteredValue(activation: Activation, key: 'ActivationIds' | 'DefaultInstanceName' | 'IamRole'): string {
  switch (key) {
    case 'ActivationIds':
      return activation.activationId;
    case 'DefaultInstanceName':
      return activation.defaultInstanceName ?? '';
    case 'IamRole':
      return activation.iamRole;
  }
}

function render(activation: Activation, now: number): object {
  const { description, defaultInstanceName } = activation;
  const tags: readonly Tag[] = [{ key: clusterTag, value: activation.clusterName }, ...activation.tags];
  return {
    ActivationId: activation.activationId,
    ...(description !== undefined && { Description: description }),
    ...(defaultInstanceName !== undefined && { DefaultInstanceName: defaultInstanceName }),
    IamRole: activation.iamRole,
    RegistrationLimit: activation.registrationLimit,
    RegistrationsCount: activation.registrationsCount,
    ExpirationDate: activation.expiresAt / 1000,
    Expired: isExpired(activation, now),
    CreatedDate: activation.createdAt / 1000,
    Tags: tags.map(({ key, value = '' }) => ({ Key: key, Value: value })),
  };
}

function invalid(message: string): EcsError {
  return new EcsError('ValidationException', message);
}

/** PutAttributes, DeleteAttributes, ListAttributes: what users say about their machines, beside what agents report. */
import { type Attribute, isBuiltInAttribute } from '#model/attributes.ts';
import { instanceAttributes, type ContainerInstance } from '#model/container-instance.ts';
import { attributeLimitExceeded, invalidParameter, targetNotFound } from '#protocol/ecs/errors.ts';
import type { StoreTransaction } from '../store/store.ts';
import type { Handlers, HandlerContext } from './handler.ts';
import { activeCluster, instanceArnIn } from './lookups.ts';
import { paged, pageOf } from './paging.ts';

const maximumCustomAttributes = 10;

type TargetedAttribute = Pick<Attribute, 'name' | 'value' | 'targetId'>;

export const attributeHandlers: Handlers<'PutAttributes' | 'DeleteAttributes' | 'ListAttributes'> = {
  async PutAttributes(context, { cluster, attributes }) {
    for (const { name } of attributes) {
      if (isBuiltInAttribute(name)) throw invalidParameter(`The attribute name '${name}' is reserved.`);
    }
    return changeAttributes(context, { cluster, attributes }, (instance, changes) => {
      const changed = new Map(instance.customAttributes.map((attribute) => [attribute.name, attribute]));
      for (const { name, value } of changes) changed.set(name, value === undefined ? { name } : { name, value });
      if (changed.size > maximumCustomAttributes) throw attributeLimitExceeded(maximumCustomAttributes);
      return [...changed.values()];
    });
  },

  async DeleteAttributes(context, input) {
    return changeAttributes(context, input, (instance, changes) => {
      const names = new Set(changes.map((attribute) => attribute.name));
      return instance.customAttributes.filter((attribute) => !names.has(attribute.name));
    });
  },

  async ListAttributes({ store, realm }, input) {
    const { attributeName, attributeValue, cluster: reference } = input;
    const all = await store.read(async (tx) => {
      const cluster = await activeCluster(tx, realm, reference);
      return tx.containerInstances.list({ clusterName: cluster.clusterName });
    });
    const matching = all
      .flatMap((instance) => instanceAttributes(instance).map((attribute) => shown(instance, attribute)))
      .filter((attribute) => attributeName === undefined || attribute.name === attributeName)
      .filter((attribute) => attributeValue === undefined || attribute.value === attributeValue);
    const filters = { operation: 'ListAttributes', cluster: reference, attributeName, attributeValue };
    const { items, token } = await paged(input, filters, async (page) =>
      pageOf(matching, (attribute) => `${attribute.targetId} ${attribute.name}`, page),
    );
    return { attributes: items, ...token };
  },
};

function shown({ containerInstanceArn }: ContainerInstance, { name, value }: Attribute): TargetedAttribute {
  return { name, ...(value === undefined ? {} : { value }), targetId: containerInstanceArn };
}

/** Applies `change` to each instance that the attributes name; all of them or none. */
async function changeAttributes(
  { store, realm }: HandlerContext,
  input: { cluster?: string | undefined; attributes: readonly Attribute[] },
  change: (instance: ContainerInstance, changes: readonly Attribute[]) => Attribute[],
): Promise<{ attributes: TargetedAttribute[] }> {
  return store.write(async (tx) => {
    const { clusterName } = await activeCluster(tx, realm, input.cluster);
    const byTarget = Map.groupBy(input.attributes, (attribute) => {
      if (attribute.targetId === undefined) throw invalidParameter('attributes.targetId: is required');
      return instanceArnIn(realm, clusterName, attribute.targetId);
    });
    const told: TargetedAttribute[] = [];
    for (const [arn, changes] of byTarget) {
      const instance = await target(tx, clusterName, arn);
      const customAttributes = change(instance, changes);
      await tx.containerInstances.put({ ...instance, customAttributes, version: instance.version + 1 });
      told.push(...changes.map((attribute) => shown(instance, attribute)));
    }
    return { attributes: told };
  });
}

async function target(tx: StoreTransaction, clusterName: string, arn: string): Promise<ContainerInstance> {
  const instance = await tx.containerInstances.get(arn);
  if (instance === undefined || instance.status === 'INACTIVE' || instance.clusterName !== clusterName) {
    throw targetNotFound(`Unable to find the specified target: ${arn}`);
  }
  return instance;
}

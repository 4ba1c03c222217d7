/** TagResource, UntagResource, ListTagsForResource, for every kind of resource through its ARN. */
import { arnId, clusterNameInArn, parseArn, taskSetArn, type Realm } from '#model/arn.ts';
import { problemOfTags, type PolicyHolder } from '#model/policy-tags.ts';
import type { Tag } from '#model/tag.ts';
import { taskSetsOf, withTaskSet } from '#model/task-set.ts';
import { clusterNotFound, invalidParameter, resourceNotFound } from '#protocol/ecs/errors.ts';
import { maximumTags } from '#protocol/ecs/shared.ts';
import type { StoreTransaction } from '../store/store.ts';
import type { Handlers } from './handler.ts';
import { findCluster, findDefinition } from './lookups.ts';

interface Taggable {
  tags: readonly Tag[];
  /** Whose policies tags may set. */
  policies?: PolicyHolder;
  replace(tags: readonly Tag[]): Promise<void>;
}

export const tagHandlers: Handlers<'TagResource' | 'UntagResource' | 'ListTagsForResource'> = {
  async TagResource({ store, realm }, { resourceArn, tags }) {
    await store.write(async (tx) => {
      const resource = await findTaggable(tx, realm, resourceArn);
      if (resource.policies !== undefined) checkPolicyTags(resource.policies, tags);
      await resource.replace(mergedTags(resource.tags, tags));
    });
    return {};
  },

  async UntagResource({ store, realm }, { resourceArn, tagKeys }) {
    await store.write(async (tx) => {
      const resource = await findTaggable(tx, realm, resourceArn);
      const left = resource.tags.filter((tag) => !tagKeys.includes(tag.key));
      if (left.length < resource.tags.length) await resource.replace(left);
    });
    return {};
  },

  async ListTagsForResource({ store, realm }, { resourceArn }) {
    const { tags } = await store.read((tx) => findTaggable(tx, realm, resourceArn));
    return { tags };
  },
};

/** Throws InvalidParameterException when a tag sets a policy of Berth's own to something it cannot be. */
export function checkPolicyTags(holder: PolicyHolder, tags: readonly Tag[]): void {
  const problem = problemOfTags(holder, tags);
  if (problem !== undefined) throw invalidParameter(problem);
}

/** Later values win; keys keep their first place. Throws InvalidParameterException beyond ECS's number of tags. */
function mergedTags(before: readonly Tag[], added: readonly Tag[]): Tag[] {
  const byKey = new Map([...before, ...added].map((tag) => [tag.key, tag]));
  if (byKey.size > maximumTags) throw invalidParameter(`A resource can have at most ${maximumTags} tags.`);
  return [...byKey.values()];
}

type Finder = (tx: StoreTransaction, realm: Realm, arn: string) => Promise<Taggable | undefined>;

/** By the word that begins the resource part of an ARN. */
const finders: Readonly<Record<string, Finder>> = {
  cluster: async (tx, realm, arn) => {
    const cluster = await findCluster(tx, realm, arn);
    if (cluster === undefined) throw clusterNotFound();
    return { tags: cluster.tags, replace: (tags) => tx.clusters.put({ ...cluster, tags }) };
  },
  'capacity-provider': async (tx, _realm, arn) => {
    const provider = await tx.capacityProviders.get(arnId(arn));
    if (provider === undefined) return undefined;
    return { tags: provider.tags, replace: (tags) => tx.capacityProviders.put({ ...provider, tags }) };
  },
  service: async (tx, _realm, arn) => {
    const service = await tx.services.get(clusterNameInArn(arn) ?? '', arnId(arn));
    if (service === undefined || service.status === 'INACTIVE') return undefined;
    return { tags: service.tags, policies: 'service', replace: (tags) => tx.services.put({ ...service, tags }) };
  },
  'task-set': async (tx, realm, arn) => {
    const [, clusterName = '', serviceName = ''] = parseArn(arn)?.resource.split('/') ?? [];
    const service = await tx.services.get(clusterName, serviceName);
    if (service === undefined) return undefined;
    const set = taskSetsOf(service).find(({ id }) => taskSetArn(realm, clusterName, serviceName, id) === arn);
    if (set === undefined) return undefined;
    return {
      tags: set.taskSet.tags,
      replace: (tags) => tx.services.put(withTaskSet(service, { ...set, taskSet: { ...set.taskSet, tags } })),
    };
  },
  task: async (tx, _realm, arn) => {
    const task = await tx.tasks.get(arn);
    if (task === undefined) return undefined;
    return { tags: task.tags, replace: (tags) => tx.tasks.put({ ...task, tags, version: task.version + 1 }) };
  },
  'task-definition': async (tx, realm, arn) => {
    const definition = await findDefinition(tx, realm, arn);
    if (definition === undefined) return undefined;
    return { tags: definition.tags, replace: (tags) => tx.taskDefinitions.put({ ...definition, tags }) };
  },
  'container-instance': async (tx, _realm, arn) => {
    const instance = await tx.containerInstances.get(arn);
    if (instance === undefined || instance.status === 'INACTIVE') return undefined;
    return {
      tags: instance.tags,
      policies: 'container-instance',
      replace: (tags) => tx.containerInstances.put({ ...instance, tags, version: instance.version + 1 }),
    };
  },
};

async function findTaggable(tx: StoreTransaction, realm: Realm, arn: string): Promise<Taggable> {
  const parsed = parseArn(arn);
  if (parsed === undefined || parsed.service !== 'ecs') throw invalidParameter(`Invalid resource ARN: ${arn}`);
  const kind = parsed.resource.split('/')[0] ?? '';
  if (!Object.hasOwn(finders, kind)) throw invalidParameter(`Resources of type '${kind}' cannot be tagged: ${arn}`);
  if (parsed.accountId !== realm.accountId || parsed.region !== realm.region) throw resourceNotFound();
  const found = await finders[kind]?.(tx, realm, arn);
  if (found === undefined) throw resourceNotFound();
  return found;
}

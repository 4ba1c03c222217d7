/** All rows of one store into an empty other one, through the port; what idempotent requests answered is left behind. */
import type { Store, StoreTransaction, TaskDefinitionStatus } from '#control/store/store.ts';
import { containerInstanceStatuses } from '#model/container-instance.ts';
import type { TaskDefinition } from '#model/task-definition.ts';

const everything = { limit: 100_000 };
const definitionStatuses: readonly TaskDefinitionStatus[] = ['ACTIVE', 'INACTIVE', 'DELETE_IN_PROGRESS'];

export async function copyRows(from: Pick<Store, 'read'>, to: Pick<Store, 'write'>): Promise<void> {
  const rows = await from.read(async (tx) => ({
    clusters: (await tx.clusters.list({}, everything)).items,
    providers: (await tx.capacityProviders.list(everything)).items,
    definitions: await definitionsOf(tx),
    instances: await tx.containerInstances.list({ statuses: containerInstanceStatuses }),
    tasks: await tx.tasks.all({}),
    services: (await tx.services.list({}, everything)).items,
    settings: await tx.accountSettings.list(),
    keys: await tx.accessKeys.list(),
    activations: (await tx.activations.list(everything)).items,
    certificates: await tx.machineCertificates.endingAfter(0),
  }));
  await to.write(async (tx) => {
    for (const cluster of rows.clusters) await tx.clusters.put(cluster);
    for (const provider of rows.providers) await tx.capacityProviders.put(provider);
    for (const definition of rows.definitions) await tx.taskDefinitions.put(definition);
    for (const instance of rows.instances) await tx.containerInstances.put(instance);
    await tx.tasks.putMany(rows.tasks);
    for (const service of rows.services) await tx.services.put(service);
    for (const setting of rows.settings) await tx.accountSettings.put(setting);
    for (const key of rows.keys) await tx.accessKeys.put(key);
    for (const activation of rows.activations) await tx.activations.put(activation);
    for (const certificate of rows.certificates) await tx.machineCertificates.put(certificate);
  });
}

async function definitionsOf(tx: StoreTransaction): Promise<TaskDefinition[]> {
  const definitions: TaskDefinition[] = [];
  for (const status of definitionStatuses) {
    const { items } = await tx.taskDefinitions.list({ status, sort: 'ASC' }, everything);
    for (const { family, revision } of items) {
      const definition = await tx.taskDefinitions.get(family, revision);
      if (definition !== undefined) definitions.push(definition);
    }
  }
  return definitions;
}

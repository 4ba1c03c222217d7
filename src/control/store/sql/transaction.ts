/** All tables over one open transaction. */
import type { Kysely } from 'kysely';
import type { ChangeRecorder } from '../change-set.ts';
import type { StoreTransaction } from '../store.ts';
import { accessKeyTable } from './access-keys.ts';
import { accountSettingTable } from './account-settings.ts';
import { capacityProviderTable } from './capacity-providers.ts';
import { clusterTable } from './clusters.ts';
import { containerInstanceTable } from './container-instances.ts';
import { idempotencyTable } from './idempotency.ts';
import { activationTable, machineCertificateTable } from './machine-trust.ts';
import type { Database } from './schema.ts';
import { serviceDeploymentTable, serviceRevisionTable } from './service-deployments.ts';
import { serviceTable } from './services.ts';
import { taskDefinitionTable } from './task-definitions.ts';
import { taskTable, type StoppedTasks } from './tasks.ts';

export interface SqlTransaction extends StoreTransaction {
  readonly tasks: StoreTransaction['tasks'] & StoppedTasks;
}

/** `db` is the transaction: once it has ended, every method fails. */
export function createTransaction(db: Kysely<Database>, recorder: ChangeRecorder): SqlTransaction {
  const tasks = taskTable(db, recorder);
  return {
    clusters: clusterTable(db, recorder),
    capacityProviders: capacityProviderTable(db),
    taskDefinitions: taskDefinitionTable(db, recorder),
    containerInstances: containerInstanceTable(db, recorder, tasks),
    tasks,
    services: serviceTable(db, recorder),
    serviceDeployments: serviceDeploymentTable(db),
    serviceRevisions: serviceRevisionTable(db),
    idempotency: idempotencyTable(db),
    accountSettings: accountSettingTable(db),
    accessKeys: accessKeyTable(db),
    activations: activationTable(db),
    machineCertificates: machineCertificateTable(db),
  };
}

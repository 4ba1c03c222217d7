/**
 * All migrations, forward only. They run in the order of their names, each once, and are never changed after a release.
 *
 * A migration is `breaking` when a program that does not know it could misread or damage the data after it; adding a table, an index or a
 * column with a default is not. Its recorded name ends in `_breaking`, so that an older program can tell without knowing it.
 */
import type { Kysely } from 'kysely';
import { initial } from './0001-initial.ts';
import { serviceDeployments } from './0002-service-deployments.ts';
import { capacityProviders } from './0003-capacity-providers.ts';
import { lostTasks } from './0005-lost-tasks.ts';
import { machineTrust } from './0007-machine-trust.ts';
import { stoppedTasks } from './0008-stopped-tasks.ts';
import { assignmentLines } from './0009-assignment-lines.ts';
import type { ColumnTypes } from './column-types.ts';

export interface SchemaMigration {
  readonly name: string;
  readonly breaking: boolean;
  up(db: Kysely<unknown>, types: ColumnTypes): Promise<void>;
}

export const schemaMigrations: readonly SchemaMigration[] = [
  { name: '0001_initial', breaking: true, up: initial },
  { name: '0002_service_deployments', breaking: false, up: serviceDeployments },
  // An older program would place the tasks of a provider anywhere, and leave those that wait for ever.
  { name: '0003_capacity_providers', breaking: true, up: capacityProviders },
  { name: '0005_lost_tasks', breaking: false, up: lostTasks },
  { name: '0007_machine_trust', breaking: false, up: machineTrust },
  { name: '0008_stopped_tasks', breaking: false, up: stoppedTasks },
  // An older program would not see how far a line is, and would give out its numbers again.
  { name: '0009_assignment_lines', breaking: true, up: assignmentLines },
];

const breakingSuffix = '_breaking';

export function recordedName({ name, breaking }: Pick<SchemaMigration, 'name' | 'breaking'>): string {
  return breaking ? name + breakingSuffix : name;
}

export function isBreaking(recorded: string): boolean {
  return recorded.endsWith(breakingSuffix);
}

/** What the checks of a world at rest look at, and what they find. */
import type { Cluster } from '#model/cluster.ts';
import type { TaskDefinition } from '#model/task-definition.ts';
import type { SimulatedHost } from '#test/support/simulated-host.ts';
import type { Rows } from '../mirror.ts';
import type { Invariant } from '../violation.ts';

export interface Problem {
  readonly invariant: Invariant;
  readonly what: string;
}

export interface RestView {
  readonly rows: Rows;
  readonly cluster: Cluster;
  readonly hosts: readonly SimulatedHost[];
  /** By ARN. */
  readonly definitions: ReadonlyMap<string, TaskDefinition>;
  /** Epoch milliseconds; control's own clock may have been set. */
  readonly now: number;
  readonly controlNow: number;
  /** Since when a task is to stop, in true time: rows tell it by the clock of control or of a machine, and those are set. */
  readonly stoppingSince: ReadonlyMap<string, number>;
}

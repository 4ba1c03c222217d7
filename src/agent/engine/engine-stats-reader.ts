/** The engine's port for what containers use. Its own, because the work for tasks goes on without it. */
import type { ContainerStats } from '../stats/container-stats.ts';
import type { CallOptions } from './container-engine.ts';

export interface EngineStatsReader {
  /** What a container uses now; undefined when it does not run or is not there. An engine may take a second to answer. */
  stats(idOrName: string, options?: CallOptions): Promise<ContainerStats | undefined>;
}

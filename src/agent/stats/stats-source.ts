/** What readers of the newest figures of a container (the metadata endpoint) need from the sampler. */
import type { EngineStats } from './engine-stats.ts';

export interface StatsSource {
  /**
   * The newest figures of a running container, at most some 20 s old. Undefined before the first sample and when the container does not run:
   * ECS answers `null` then.
   */
  latest(taskArn: string, containerName: string): EngineStats | undefined;
}

/**
 * Ends for want of memory that the engine did not notice. With cgroup v2 it learns of them from a file in the container's own group, which goes away with
 * the container: under load the file is gone before it is read. The group of the task outlives its containers, and the kernel counts there as well.
 */
import type { ContainerObservation } from '../tasks/container-spec.ts';

/** SIGKILL's, which is what the kernel sends. */
const killedExitCode = 137;

export interface MemoryKills {
  /** The observation, with `oomKilled` where the kernel says so of a container that was killed and the engine does not. */
  attribute(observation: ContainerObservation): Promise<ContainerObservation>;
}

/** `count`: processes of the task that the kernel has killed for want of memory; undefined where nobody counts. */
export function createMemoryKills(count: () => Promise<number | undefined>): MemoryKills {
  /** When a container of the task was last seen running; what was killed by then was a child of one that went on, or is told already. */
  let known = 0;
  return {
    async attribute(observation) {
      const { state, oomKilled, exitCode } = observation;
      const ended = state === 'exited' || state === 'dead';
      if (state !== 'running' && !(ended && !oomKilled && exitCode === killedExitCode)) return observation;
      const kills = (await count()) ?? 0;
      const news = kills > known;
      known = kills;
      return ended && news ? { ...observation, oomKilled: true } : observation;
    },
  };
}

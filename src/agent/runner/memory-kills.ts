/**
 * Ends for want of memory that the engine did not notice. With cgroup v2 it learns of them from a file in the container's own group, which goes away with
 * the container: under load the file is gone before it is read. The group of the task outlives its containers, and the kernel counts there as well.
 */
import type { ContainerObservation } from '../tasks/container-spec.ts';

/** SIGKILL's, which is what the kernel sends. */
const killedExitCode = 137;

export interface MemoryKills {
  /** What `inspect` sees of the container, with `oomKilled` where the kernel says so of one that was killed and the engine does not. */
  look(
    container: string,
    inspect: () => Promise<ContainerObservation | undefined>,
  ): Promise<ContainerObservation | undefined>;
}

/** `count`: processes of the task that the kernel has killed for want of memory; undefined where nobody counts. */
export function createMemoryKills(count: () => Promise<number | undefined>): MemoryKills {
  /**
   * By container: when it was last seen before its end. What was killed by then was a child of one that went on. Each has its own, since the kernel may
   * have killed one of them while another was looked at.
   */
  const before = new Map<string, number>();
  /** What ends were put down to. */
  let told = 0;
  return {
    async look(container, inspect) {
      // Before the engine is asked: its answer is older than what is counted after it.
      const counted = (await count()) ?? 0;
      const observation = await inspect();
      if (observation === undefined) return undefined;
      const { state, oomKilled, exitCode } = observation;
      if (state !== 'exited' && state !== 'dead') {
        before.set(container, counted);
        return observation;
      }
      if (oomKilled || exitCode !== killedExitCode) return observation;
      const kills = (await count()) ?? 0;
      if (kills <= Math.max(before.get(container) ?? 0, told)) return observation;
      told = kills;
      return { ...observation, oomKilled: true };
    },
  };
}

/**
 * What the engine says about containers, for answers: an answer that is a second old will do, so that no container can make the agent
 * trouble the engine. An engine that cannot be asked is no error here: the answer then lacks what only the engine knows.
 */
import { deadline, type Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import { createSemaphore } from '#lib/semaphore.ts';
import type { ContainerEngine } from '../engine/container-engine.ts';
import type { ContainerObservation } from '../tasks/container-spec.ts';

export interface Looks {
  /** Undefined when there is no such container, or the engine does not say within the time. */
  at(engineName: string): Promise<ContainerObservation | undefined>;
}

export interface LooksOptions {
  engine: Pick<ContainerEngine, 'inspect'>;
  clock: Clock;
  logger: Logger;
}

const freshMs = 1000;
/** ecs-agent gives what it asks for an answer so long. */
const patienceMs = 4000;
const atOnce = 8;

export function createLooks({ engine, clock, logger }: LooksOptions): Looks {
  const slots = createSemaphore(atOnce);
  const recent = new Map<string, { at: number; observation: Promise<ContainerObservation | undefined> }>();

  async function ask(engineName: string): Promise<ContainerObservation | undefined> {
    const abort = new AbortController();
    try {
      const inspection = slots.run(() => engine.inspect(engineName, { signal: abort.signal }), abort.signal);
      return await deadline(clock, patienceMs, `inspection of container ${engineName}`, inspection);
    } catch (error) {
      logger.debug({ error, engineName }, 'the engine could not be asked about a container for a local endpoint');
      return undefined;
    } finally {
      abort.abort();
    }
  }

  return {
    at(engineName) {
      const now = clock.now();
      for (const [name, { at }] of recent) if (Math.abs(now - at) >= freshMs) recent.delete(name);
      const known = recent.get(engineName);
      if (known !== undefined) return known.observation;
      const observation = ask(engineName);
      recent.set(engineName, { at: now, observation });
      return observation;
    },
  };
}

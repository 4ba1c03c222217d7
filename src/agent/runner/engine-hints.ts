/** What an engine event of a container says by itself, and whether it is worth a look at the container. */
import type { HealthStatus } from '#model/task.ts';
import type { EngineEvent } from '../engine/container-engine.ts';
import type { ContainerPhase } from '../tasks/agent-task.ts';
import type { ActionKind } from '../tasks/next-actions.ts';

/** The event of a start comes this late at most; a later one is somebody else's start. */
const ownStartEchoMs = 1000;

export function healthOf(detail: string | undefined): HealthStatus | undefined {
  if (detail === undefined) return undefined;
  if (detail.toLowerCase() === 'healthy') return 'HEALTHY';
  if (detail.toLowerCase() === 'unhealthy') return 'UNHEALTHY';
  return 'UNKNOWN';
}

/** A start that we made ourselves is looked at anyway; an end always is worth a look, unless it is old news. */
export function isWorthALook(event: EngineEvent, phase: ContainerPhase, doing: ActionKind | undefined): boolean {
  switch (event.action) {
    case 'die':
    case 'destroy':
      return phase.name !== 'STOPPED';
    case 'health':
      return phase.name !== 'STOPPED';
    case 'start':
    case 'restart':
    case 'unpause':
      if (doing === 'launch' || doing === 'start') return false;
      return phase.name !== 'RUNNING' || event.at - phase.startedAt > ownStartEchoMs;
    case 'create':
    case 'oom':
    case 'stop':
    case 'kill':
    case 'rename':
    case 'pause':
      return false;
  }
}

/**
 * The last lines that a container wrote before it failed by itself: kept with its stop, because the container and its log are removed some hours
 * later, and people ask why the day after. Bounded in lines, bytes and time; where there is nothing to be read, the stop is reported without.
 */
import { deadline, type Clock } from '#lib/clock.ts';
import type { ContainerEngine } from '../engine/container-engine.ts';
import { isStopping, type AgentTask } from '../tasks/agent-task.ts';
import type { ContainerObservation } from '../tasks/container-spec.ts';

export interface LastOutputOptions {
  readonly engine: Pick<ContainerEngine, 'logs'>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const maximumLines = 20;
const maximumBytes = 2048;
/** The end of a container is not reported before; an engine that takes longer has other troubles. */
const limitMs = 2000;

/** It ended with an error, was running as far as the task knew, and nobody had asked it to stop. */
export function hasFailed(task: AgentTask, container: string, observation: ContainerObservation): boolean {
  if (observation.state !== 'exited' && observation.state !== 'dead') return false;
  const phase = task.containers.find(({ name }) => name === container)?.phase.name;
  return (observation.exitCode ?? 0) !== 0 && phase !== 'STOPPED' && !isStopping(task);
}

/** Without line ends, oldest first. Empty when there are none, or none to be had (a log driver that cannot be read). */
export async function readLastOutput(engineId: string, options: LastOutputOptions): Promise<string[]> {
  const tooLate = new AbortController();
  const signal = AbortSignal.any([options.signal, tooLate.signal]);
  try {
    return await deadline(options.clock, limitMs, 'the last output', lastLines(engineId, options.engine, signal));
  } catch (error) {
    tooLate.abort(error);
    return [];
  }
}

async function lastLines(
  engineId: string,
  engine: LastOutputOptions['engine'],
  signal: AbortSignal,
): Promise<string[]> {
  const lines: string[] = [];
  for await (const { text } of engine.logs(engineId, { follow: false, tail: maximumLines, signal })) {
    lines.push(text.replace(/\r?\n$/, ''));
  }
  return withinBytes(lines.slice(-maximumLines));
}

/** The newest lines win; of one that is too long by itself its end stays. */
function withinBytes(lines: readonly string[]): string[] {
  const kept: string[] = [];
  let left = maximumBytes;
  for (const line of lines.toReversed()) {
    const bytes = Buffer.from(line);
    if (bytes.length > left && kept.length > 0) break;
    kept.unshift(
      bytes.length > left
        ? bytes
            .subarray(-left)
            .toString()
            .replace(/^\uFFFD+/u, '')
        : line,
    );
    left -= bytes.length;
    if (left <= 0) break;
  }
  return kept;
}

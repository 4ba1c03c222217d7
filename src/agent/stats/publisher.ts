/**
 * Sends control what is used, a window every 20 s. Without a session the newest windows are kept for a while, as in ECS: at most `keptMessages`,
 * none older than five minutes, the oldest dropped first. Nothing is kept on disk and nothing is repeated.
 */
import type { Clock, Timer } from '#lib/clock.ts';
import type { Telemetry } from '#protocol/session/telemetry.ts';
import type { Sampler } from './sampler.ts';
import { telemetryMessages } from './telemetry-messages.ts';

export interface PublisherOptions {
  readonly sampler: Pick<Sampler, 'takeWindow'>;
  /** False when it cannot go now. */
  send(message: Telemetry): boolean;
  readonly clock: Clock;
  readonly everyMs: number;
}

export interface Publisher {
  start(): void;
  stop(): void;
}

/** ecs-agent's. */
const keptMessages = 15;
const keptMs = 5 * 60_000;

export function createPublisher({ sampler, send, clock, everyMs }: PublisherOptions): Publisher {
  let waiting: Telemetry[] = [];
  let timer: Timer | undefined;

  function publish(): void {
    const oldest = clock.now() - keptMs;
    waiting = [...waiting, ...telemetryMessages(sampler.takeWindow())].filter(({ to }) => to >= oldest);
    const unsent = waiting.findIndex((message) => !send(message));
    waiting = unsent < 0 ? [] : waiting.slice(unsent).slice(-keptMessages);
    schedule();
  }

  function schedule(): void {
    timer = clock.after(everyMs, publish);
  }

  return { start: schedule, stop: () => timer?.cancel() };
}

/**
 * The first minute of a new version: it stays when it has a session with control within that time, else the machine goes back to the version before. That
 * version goes on from the same journal. Should this one not even get here, systemd's guard goes back.
 */
import type { Clock } from '#lib/clock.ts';
import type { Logger } from '#lib/logger.ts';
import type { Installation } from './installation.ts';

export interface TrialOptions {
  readonly installation: Installation | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the agent so that the version before is started. */
  restart(because: string): void;
}

export interface TrialWatch {
  /** There is a session, with registration and all: the version is good. */
  proven(): void;
  stop(): void;
}

const trialMs = 60_000;

export function watchTrial({ installation, clock, logger, restart }: TrialOptions): TrialWatch {
  const trial = installation?.trial();
  if (installation === undefined || trial?.to !== installation.version) {
    return { proven: () => undefined, stop: () => undefined };
  }
  let isOpen = true;
  logger.info({ ...trial }, 'this version of the agent is on trial until it has a session');
  const timer = clock.after(trialMs, () => {
    isOpen = false;
    logger.error({ ...trial }, 'no session with control within a minute; going back to the version before');
    installation.goBack();
    restart(`back to ${trial.from}`);
  });
  return {
    proven() {
      if (!isOpen) return;
      isOpen = false;
      timer.cancel();
      installation.confirm();
      logger.info({ ...trial }, 'this version of the agent has proven itself');
    },
    stop() {
      isOpen = false;
      timer.cancel();
    },
  };
}

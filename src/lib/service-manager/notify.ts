/**
 * News for systemd about a service of Type=notify: ready, stopping, still alive. The socket takes datagrams, which Node has for UDP alone, and an addon
 * in C would be the only one of the program; so `systemd-notify` carries them, which is there wherever systemd is. It is sent from a timer
 * of the event loop: a loop that hangs sends nothing, and the watchdog restarts the service.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Clock, Timer } from '../clock.ts';
import type { Logger } from '../logger.ts';

export interface NotifySettings {
  /** systemd restarts the service after this long without a sign of life; absent: it does not look. */
  watchdogMs?: number;
}

export interface ServiceManager {
  ready(): void;
  /** `withinMs`: that the end may take longer than the unit allows, as long as this. */
  stopping(withinMs?: number): void;
}

export interface ServiceManagerOptions {
  /** Undefined: nobody waits for news, and nothing is sent. */
  settings: NotifySettings | undefined;
  clock: Clock;
  logger: Logger;
  /** Sends the assignments, e.g. `READY=1`; by default `systemd-notify`. */
  send?(assignments: readonly string[]): Promise<void>;
}

const sendTimeoutMs = 10_000;

export function createServiceManager(options: ServiceManagerOptions): ServiceManager {
  const { settings, clock, logger, send = sendByProgram } = options;
  if (settings === undefined) return { ready: () => undefined, stopping: () => undefined };
  let beat: Timer | undefined;
  let isTrouble = false;

  function tell(assignments: readonly string[]): void {
    send(assignments).then(
      () => {
        isTrouble = false;
      },
      (error: unknown) => {
        // Once for all that fail in a row: what follows is that systemd ends the service, and this line says why.
        if (!isTrouble) logger.warn({ error, assignments }, 'systemd could not be told');
        isTrouble = true;
      },
    );
  }

  function scheduleBeat(watchdogMs: number): void {
    // Three in each period, so that one may be late.
    beat = clock.after(
      watchdogMs / 3,
      () => {
        tell(['WATCHDOG=1']);
        scheduleBeat(watchdogMs);
      },
      { background: true },
    );
  }

  return {
    ready() {
      tell(['READY=1']);
      if (settings.watchdogMs !== undefined && beat === undefined) scheduleBeat(settings.watchdogMs);
    },
    stopping(withinMs) {
      tell(['STOPPING=1', ...(withinMs === undefined ? [] : [`EXTEND_TIMEOUT_USEC=${withinMs * 1000}`])]);
    },
  };
}

const execute = promisify(execFile);

async function sendByProgram(assignments: readonly string[]): Promise<void> {
  await execute('systemd-notify', assignments, { timeout: sendTimeoutMs });
}

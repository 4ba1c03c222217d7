/**
 * Keeps the machine's certificate from lapsing: renews it when two thirds of its life are over, again and again with back-off until that works, and says so in the machine's health
 * meanwhile. A certificate that has lapsed is renewed before the next attempt at a session. Times are the machine's own, looked at once an hour, since somebody may set its clock.
 */
import { jittered } from '#lib/backoff.ts';
import type { Clock, Timer } from '#lib/clock.ts';
import { messageOf } from '#lib/errors.ts';
import { toIsoTime } from '#lib/iso-time.ts';
import type { Logger } from '#lib/logger.ts';
import type { Random } from '#lib/random.ts';
import { daysMs, renewalDueAt } from '#model/machine-trust.ts';
import type { HealthDetail } from '../health/agent-health.ts';
import type { Identity } from './identity-files.ts';

export interface KeeperOptions {
  /** The certificate as it is now. */
  read(): Identity;
  /** Gets a new one. Rejects with what a person is to know; `signal` ends it. */
  renew(signal: AbortSignal): Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface IdentityKeeper {
  start(): void;
  stop(): Promise<void>;
  /** Control asks for another certificate. Harmless at any time. */
  renewNow(): void;
  /** Resolves with a certificate to show; one that has lapsed is renewed first, and the rejection says why that failed. */
  forSession(): Promise<Identity>;
  health(): HealthDetail;
}

const lookEveryMs = 60 * 60 * 1000;
const backoff = { baseMs: 60_000, maxMs: 60 * 60 * 1000, factor: 2, jitter: 0.2 };
/** A machine that will soon be without a session shall not get more tasks. */
const alarmingMs = 3 * daysMs;
/** Renewals of machines that joined together are spread over so much of the time that is left. */
const spread = 0.1;

export function createIdentityKeeper(options: KeeperOptions): IdentityKeeper {
  const { clock, random } = options;
  const logger = options.logger.child({ part: 'identity' });
  const share = random.next() * spread;
  let timer: Timer | undefined;
  let underWay: Promise<void> | undefined;
  let failures = 0;
  let problem: string | undefined;
  let stopped = true;
  const ending = new AbortController();

  function dueAt(identity: Identity): number {
    const due = renewalDueAt(identity);
    return due + share * (identity.notAfter - due);
  }

  function arm(): void {
    if (stopped) return;
    timer?.cancel();
    const left = dueAt(options.read()) - clock.now();
    const wait = left > 0 ? Math.min(left, lookEveryMs) : failures === 0 ? 0 : jittered(backoff, failures - 1, random);
    timer = clock.after(wait, look, { background: true });
  }

  function look(): void {
    if (stopped) return;
    if (clock.now() < dueAt(options.read())) arm();
    else void renew().then(arm);
  }

  /** One at a time; never rejects. */
  function renew(): Promise<void> {
    underWay ??= attempt().finally(() => {
      underWay = undefined;
    });
    return underWay;
  }

  async function attempt(): Promise<void> {
    try {
      await options.renew(ending.signal);
      failures = 0;
      problem = undefined;
      logger.info({ until: toIsoTime(options.read().notAfter) }, 'the certificate was renewed');
    } catch (error) {
      failures += 1;
      problem = messageOf(error);
      const level = isAlarming() ? 'error' : 'warn';
      logger[level](
        { error, attempt: failures, lapses: toIsoTime(options.read().notAfter) },
        'the certificate could not be renewed',
      );
    }
  }

  function isAlarming(): boolean {
    return options.read().notAfter - clock.now() < alarmingMs;
  }

  return {
    start() {
      stopped = false;
      arm();
    },
    async stop() {
      stopped = true;
      timer?.cancel();
      ending.abort();
      await underWay;
    },
    renewNow() {
      if (!stopped) void renew().then(arm);
    },
    async forSession() {
      if (clock.now() >= options.read().notAfter) {
        await renew();
        if (clock.now() >= options.read().notAfter) {
          throw new Error(
            `the certificate lapsed at ${toIsoTime(options.read().notAfter)} and could not be renewed: ${problem ?? ''}`,
          );
        }
      }
      return options.read();
    },
    health() {
      if (problem === undefined) return { type, status: 'OK' };
      const reason = `the certificate, which lapses at ${toIsoTime(options.read().notAfter)}, could not be renewed: ${problem}`;
      return { type, status: isAlarming() ? 'IMPAIRED' : 'OK', reason: reason.slice(0, 1024) };
    },
  };
}

const type = 'AGENT_IDENTITY';

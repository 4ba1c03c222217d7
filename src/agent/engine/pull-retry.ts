/** What a failed pull leads to, by its class: a pure table. docs/images.md has it in words. */
import { jittered, type JitteredBackoffPolicy } from '#lib/backoff.ts';
import type { Random } from '#lib/random.ts';
import type { EngineErrorKind } from './container-engine.ts';

interface RetryRule {
  attempts: number;
  backoff: JitteredBackoffPolicy;
}

/** The ECS agent's. */
const soon: RetryRule = { attempts: 5, backoff: { baseMs: 1100, maxMs: 5000, factor: 2, jitter: 0.2 } };
/** Registries count over minutes and hours. With these pauses a pull waits about ten minutes. */
const patient: RetryRule = { attempts: 8, backoff: { baseMs: 5000, maxMs: 180_000, factor: 2, jitter: 0.2 } };
/** Space comes from the cleaning that is asked for before each further attempt, and from tasks that are cleaned up. */
const afterCleaning: RetryRule = { attempts: 4, backoff: { baseMs: 2000, maxMs: 30_000, factor: 3, jitter: 0.2 } };

/** Kinds that are not here are the same a moment later: a wrong password, a wrong name, another platform. */
const rules: Partial<Record<EngineErrorKind, RetryRule>> = {
  network: soon,
  timeout: soon,
  internal: soon,
  'rate-limited': patient,
  'disk-full': afterCleaning,
};

const longestAskedMs = 15 * 60_000;

/** Whether the same pull may end otherwise a moment later. */
export function mayPass(kind: EngineErrorKind): boolean {
  return kind in rules;
}

/** Milliseconds until the next attempt after `attempt` (from 1); undefined when there is none. */
export function retryDelay(
  { kind, message }: { kind: EngineErrorKind; message: string },
  attempt: number,
  random: Random,
): number | undefined {
  const rule = rules[kind];
  if (rule === undefined || attempt >= rule.attempts) return undefined;
  const own = jittered(rule.backoff, attempt - 1, random);
  const asked = kind === 'rate-limited' ? askedDelayMs(message) : undefined;
  return asked === undefined ? own : Math.min(longestAskedMs, Math.max(own, asked));
}

const unitMs: Readonly<Record<string, number>> = {
  µs: 0.001,
  us: 0.001,
  ms: 1,
  '': 1000,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Engines keep the header Retry-After to themselves, but some registries repeat it in words: `retry-after: 2.5s`, `Retry-After: 30`. */
function askedDelayMs(message: string): number | undefined {
  const [, amount, unit = ''] = /retry[- ]after:?\s*(\d+(?:\.\d+)?)\s*(µs|us|ms|s|m|h)?/i.exec(message) ?? [];
  return amount === undefined ? undefined : Math.ceil(Number(amount) * (unitMs[unit.toLowerCase()] ?? 1000));
}

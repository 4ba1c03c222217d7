/** The settings of statistics and health, by their variables. Thresholds count as at most a twentieth of the disk or memory they are of. */
import { isIP } from 'node:net';
import { z } from 'zod';
import type { HealthLimits } from './health/machine-health.ts';

export interface WatchSettings {
  /** Where `GET /metrics` is answered; absent when nowhere. */
  readonly metrics?: { readonly host: string; readonly port: number };
  readonly statsIntervalMs: number;
  readonly limits: HealthLimits;
}

const nowhere = 'none';
const mebibyte = 1024 * 1024;

function mebibytes(initial: number) {
  return z
    .string()
    .regex(/^\d{1,9}$/, { error: 'expected mebibytes' })
    .transform((text) => Number(text) * mebibyte)
    .default(initial * mebibyte);
}

export const watchVariables = {
  BERTH_METRICS_LISTEN: z
    .string()
    .transform((text, context) => {
      if (text === nowhere) return text;
      const colon = text.lastIndexOf(':');
      const host = text.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
      const port = Number(text.slice(colon + 1));
      if (isIP(host) !== 0 && Number.isInteger(port) && port >= 1 && port <= 65_535) return { host, port };
      context.addIssue({
        code: 'custom',
        message: `expected an address, such as 127.0.0.1:51680, or ${nowhere}`,
        input: text,
      });
      return z.NEVER;
    })
    .default({ host: '127.0.0.1', port: 51_680 }),
  BERTH_STATS_INTERVAL: z
    .string()
    .regex(/^\d{1,2}$/, { error: 'expected seconds' })
    .transform(Number)
    .refine((seconds) => seconds >= 1 && seconds <= 60, { error: 'expected 1 to 60 seconds' })
    .default(5),
  BERTH_MINIMUM_FREE_DISK: mebibytes(1024),
  BERTH_MINIMUM_FREE_STATE: mebibytes(64),
  BERTH_MINIMUM_FREE_MEMORY: mebibytes(100),
  BERTH_MAXIMUM_MEMORY_STALL: z
    .string()
    .regex(/^\d{1,3}$/, { error: 'expected percent' })
    .transform(Number)
    .refine((percent) => percent <= 100, { error: 'expected 0 to 100 percent' })
    .default(40),
};

const WatchVariables = z.object(watchVariables);

export function watchSettings(variables: z.output<typeof WatchVariables>): WatchSettings {
  const { BERTH_METRICS_LISTEN: metrics } = variables;
  return {
    ...(metrics !== nowhere && { metrics }),
    statsIntervalMs: variables.BERTH_STATS_INTERVAL * 1000,
    limits: {
      minimumDiskBytes: variables.BERTH_MINIMUM_FREE_DISK,
      minimumStateBytes: variables.BERTH_MINIMUM_FREE_STATE,
      memory: {
        minimumBytes: variables.BERTH_MINIMUM_FREE_MEMORY,
        maximumStall: variables.BERTH_MAXIMUM_MEMORY_STALL,
      },
    },
  };
}

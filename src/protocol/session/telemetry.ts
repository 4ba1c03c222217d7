/**
 * What tasks and machines use, from an agent to control. Unnumbered and never answered: what is lost is not sent again, because the next one is
 * on its way. At most ten tasks and `maximumTelemetryBytes` per message, as in ECS; a larger round takes several, the last of which says `fin`.
 */
import { z } from 'zod';

export const maximumTelemetryTasks = 10;
export const maximumTelemetryBytes = 1024 * 1024;

/** Per sample: a level (`cpuUnits`, `memoryBytes`, `pids`), a rate per second, or what was added since the sample before. */
export const metricNames = [
  /** 1024 is one processor. */
  'cpuUnits',
  /** Without the page cache that can be dropped. */
  'memoryBytes',
  'pids',
  'rxBytes',
  'rxPackets',
  'rxErrors',
  'rxDropped',
  'rxBytesPerSecond',
  'txBytes',
  'txPackets',
  'txErrors',
  'txDropped',
  'txBytesPerSecond',
  'readBytes',
  'writeBytes',
] as const;
export type MetricName = (typeof metricNames)[number];

const finite = z.number().min(0);
const statSet = z.object({ min: finite, max: finite, sum: finite, sampleCount: z.number().int().positive() });
export type StatSet = z.infer<typeof statSet>;

const metricSets = z.partialRecord(z.enum(metricNames), statSet);
export type MetricSets = z.infer<typeof metricSets>;

const taskTelemetry = z.object({
  taskArn: z.string().min(1).max(2048),
  containers: z
    .array(
      z.object({
        name: z.string().min(1).max(255),
        /** Since the task started. */
        restartCount: z.number().int().nonnegative(),
        metrics: metricSets,
      }),
    )
    .max(100),
});
export type TaskTelemetry = z.infer<typeof taskTelemetry>;

export const Telemetry = z.object({
  type: z.literal('telemetry'),
  /** Epoch milliseconds by the agent's clock: the window that the sets cover. */
  from: z.number().int().nonnegative(),
  to: z.number().int().nonnegative(),
  /** The whole machine, everything that runs on it included. */
  instance: metricSets,
  tasks: z.array(taskTelemetry).max(maximumTelemetryTasks),
  /** No task runs. */
  idle: z.boolean(),
  /** The last message of its window. */
  fin: z.boolean(),
});
export type Telemetry = z.infer<typeof Telemetry>;

/** A steady load of API calls, however long the answers take, and how long each took as its caller sees it. */
import { systemClock } from '#lib/clock.ts';
import { figuresOf } from '../statistics.ts';
import type { ApiClient } from './api-client.ts';

/** Calls a second. */
const rates = { DescribeTasks: 20, ListTasks: 10, RunTask: 5 };
type Operation = keyof typeof rates;
const tickMs = 10;
const tasksDescribed = 10;

export interface Latency {
  p50: number;
  p99: number;
  maximum: number;
  calls: number;
}

export type Latencies = Record<Operation, Latency> & { failed: number };

export interface ApiLoadOptions {
  readonly api: ApiClient;
  readonly family: string;
  readonly withRunTask: boolean;
}

export interface ApiLoad {
  /** Waits for what is under way. */
  stop(): Promise<Latencies>;
}

export function startApiLoad({ api, family, withRunTask }: ApiLoadOptions): ApiLoad {
  const times: Record<Operation, number[]> = { DescribeTasks: [], ListTasks: [], RunTask: [] };
  const underWay = new Set<Promise<void>>();
  let arns: readonly string[] = [];
  let token: string | undefined;
  let failed = 0;
  let stopped = false;

  const calls: Record<Operation, () => Promise<unknown>> = {
    DescribeTasks: async () => {
      const start = Math.floor(Math.random() * Math.max(1, arns.length - tasksDescribed));
      await api.call('DescribeTasks', { tasks: arns.slice(start, start + tasksDescribed) });
    },
    ListTasks: async () => {
      const page = token === undefined ? {} : { nextToken: token };
      const answer = await api.call<{ taskArns: string[]; nextToken?: string }>('ListTasks', page);
      if (answer.taskArns.length > 0) arns = answer.taskArns;
      token = answer.nextToken;
    },
    RunTask: () => api.call('RunTask', { taskDefinition: family, startedBy: 'probe' }),
  };

  async function time(operation: Operation): Promise<void> {
    const began = performance.now();
    try {
      await calls[operation]();
      times[operation].push(performance.now() - began);
    } catch {
      failed += 1;
    }
  }

  async function run(): Promise<void> {
    const began = performance.now();
    const asked: Record<Operation, number> = { DescribeTasks: 0, ListTasks: 0, RunTask: 0 };
    while (!stopped) {
      const seconds = (performance.now() - began) / 1000;
      for (const operation of Object.keys(rates) as Operation[]) {
        if (operation === 'RunTask' && !withRunTask) continue;
        if (operation === 'DescribeTasks' && arns.length === 0) continue;
        while (asked[operation] < seconds * rates[operation]) {
          asked[operation] += 1;
          const call = time(operation);
          underWay.add(call);
          void call.then(() => underWay.delete(call));
        }
      }
      await systemClock.sleep(tickMs);
    }
    await Promise.all(underWay);
  }

  const running = run();
  return {
    async stop() {
      stopped = true;
      await running;
      return {
        DescribeTasks: latencyOf(times.DescribeTasks),
        ListTasks: latencyOf(times.ListTasks),
        RunTask: latencyOf(times.RunTask),
        failed,
      };
    },
  };
}

function latencyOf(values: readonly number[]): Latency {
  const { p50, maximum, count } = figuresOf(values);
  const sorted = values.toSorted((a, b) => a - b);
  const p99 = sorted[Math.min(sorted.length - 1, Math.floor(0.99 * sorted.length))] ?? Number.NaN;
  return { p50, p99, maximum, calls: count };
}

/** What Prometheus scrapes: requests by operation and answer, and the fleet as the store and the sessions see it at that moment. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Store } from '../store/store.ts';

export interface ApiMetrics {
  /** `operation` must be a known name or one fixed word, so that callers cannot grow the number of series. */
  answered(request: { operation: string; code: string; seconds: number }): void;
  contentType: string;
  /** The exposition text. */
  text(): Promise<string>;
}

export interface ApiMetricsOptions {
  store: Store;
  /** How many agents have a session now. */
  connectedAgents(): number;
}

const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function createApiMetrics({ store, connectedAgents }: ApiMetricsOptions): ApiMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'berth_api_requests_total',
    help: 'Answered API requests; code is OK or the name of the error.',
    labelNames: ['operation', 'code'] as const,
    registers,
  });
  const durations = new Histogram({
    name: 'berth_api_request_duration_seconds',
    help: 'Time from the first byte of a request to its answer.',
    labelNames: ['operation'] as const,
    buckets: durationBuckets,
    registers,
  });
  new Gauge({
    name: 'berth_agents_connected',
    help: 'Agents that have a session with this control service.',
    registers,
    collect() {
      this.set(connectedAgents());
    },
  });
  new Gauge({
    name: 'berth_tasks',
    help: 'Live tasks by status.',
    labelNames: ['status'] as const,
    registers,
    async collect() {
      const { running, pending } = await store.read((tx) => tx.tasks.counts({}));
      this.set({ status: 'RUNNING' }, running);
      this.set({ status: 'PENDING' }, pending);
    },
  });
  return {
    answered({ operation, code, seconds }) {
      requests.inc({ operation, code });
      durations.observe({ operation }, seconds);
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}

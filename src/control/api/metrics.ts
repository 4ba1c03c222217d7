/** What Prometheus scrapes: requests by operation and answer, and the fleet as the store and the sessions see it at that moment. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Utilisation, UtilisationSource } from '../sessions/telemetry.ts';
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
  readonly utilisation: UtilisationSource;
}

/** How often the lag of the event loop is looked at. The library's 10 ms wake an idle control 100 times a second: 0.8 % of a core. */
const loopPrecisionMs = 100;
const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function createApiMetrics({ store, connectedAgents, utilisation }: ApiMetricsOptions): ApiMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: loopPrecisionMs });
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
  registerUtilisation(registry, utilisation);
  return {
    answered({ operation, code, seconds }) {
      requests.inc({ operation, code });
      durations.observe({ operation }, seconds);
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}

/** The series are the clusters and services that exist and report; a service whose tasks fall silent loses its series. */
function registerUtilisation(registry: Registry, utilisation: UtilisationSource): void {
  const registers = [registry];
  function describe(what: string, labelNames: readonly ('cluster' | 'service')[], read: () => Utilisation[]): void {
    const gauge = (name: string, help: string, value: (one: Utilisation) => number | undefined): void => {
      new Gauge({
        name: `berth_${what}_${name}`,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          for (const one of read()) {
            const amount = value(one);
            const { clusterName: cluster, serviceName: service } = one;
            if (amount !== undefined) this.set(service === undefined ? { cluster } : { cluster, service }, amount);
          }
        },
      });
    };
    gauge('cpu_utilization_ratio', 'Processor time used of what is there; 1 is all of it.', ({ cpu }) => cpu?.average);
    gauge('memory_utilization_ratio', 'Memory used of what is there; 1 is all of it.', ({ memory }) => memory?.average);
    gauge('reporting', 'Tasks of a service, or machines of a cluster, that report.', ({ sources }) => sources);
    gauge('telemetry_age_seconds', 'Age of the oldest figures in the others.', ({ ageMs }) => ageMs / 1000);
  }
  describe('service', ['cluster', 'service'], () => utilisation.services());
  describe('cluster', ['cluster'], () => utilisation.clusters());
}

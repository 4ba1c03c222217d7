/** Tasks and an engine that knows their containers, for asking the local endpoints without a socket. */
import { createEndpointIds, createEndpointLookup } from '#agent/metadata/endpoint-ids.ts';
import { introspectionRoutes } from '#agent/metadata/introspection.ts';
import { createLooks } from '#agent/metadata/looks.ts';
import { protectionRoutes } from '#agent/metadata/protection-endpoint.ts';
import { roleEndpointRoutes } from '#agent/metadata/role-endpoints.ts';
import { createRouter, type Answer, type Route } from '#agent/metadata/routes.ts';
import { taskEndpointRoutes } from '#agent/metadata/task-endpoint.ts';
import type { ProtectionResult, ProtectionWish } from '#agent/session/protection-requests.ts';
import type { StatsSource } from '#agent/stats/stats-source.ts';
import type { AgentTask, RunningPhase } from '#agent/tasks/agent-task.ts';
import { withContainer } from '#agent/tasks/agent-task.ts';
import type { ContainerObservation } from '#agent/tasks/container-spec.ts';
import { EngineError } from '#agent/engine/container-engine.ts';
import { silentLogger } from '#lib/logger.ts';
import { anAgentTask, anObservation, type AgentTaskChoices } from '#test/support/builders/an-agent-task.ts';
import { ManualClock } from '#test/support/manual-clock.ts';

const ids = createEndpointIds('0'.repeat(64));
export const { idOf } = ids;

export interface AskOptions {
  method?: string;
  peer?: string;
  body?: string;
}

export interface EndpointWorld {
  clock: ManualClock;
  /** How often the engine was asked. */
  inspections(): number;
  engineIsGone(): void;
  ask(target: string, options?: AskOptions): Promise<Answer>;
  /** Of an answer that is JSON. */
  json(target: string, options?: AskOptions): Promise<unknown>;
}

export function openEndpoints({
  tasks,
  observations = {},
  stats,
  protect = () => Promise.resolve({ kind: 'timeout' }),
}: {
  tasks: readonly AgentTask[];
  /** By the container's name on the engine. */
  observations?: Readonly<Record<string, ContainerObservation>>;
  stats?: StatsSource;
  protect?: (wish: ProtectionWish) => Promise<ProtectionResult>;
}): EndpointWorld {
  const clock = new ManualClock();
  let inspections = 0;
  let isGone = false;
  const engine = {
    inspect: async (name: string) => {
      inspections += 1;
      if (isGone) throw new EngineError('unreachable', 'no engine');
      return observations[name];
    },
  };
  const looks = createLooks({ engine, clock, logger: silentLogger });
  const find = createEndpointLookup(ids, () => tasks);
  const shared = { tasks: () => tasks, looks };
  const routes: Route[] = [
    ...taskEndpointRoutes({ ...shared, find, stats, availabilityZone: 'local' }),
    ...protectionRoutes({ find, protect, clock }),
    ...roleEndpointRoutes(find),
  ];
  const introspection = introspectionRoutes({
    ...shared,
    cluster: 'default',
    version: '0.1.0',
    containerInstanceArn: () => undefined,
    listedImages: () => [
      { image: 'web:1', state: 'here' },
      { image: 'web:2', state: 'failed', reason: 'no such image' },
    ],
  });
  const router = createRouter([...routes, ...introspection]);

  function ask(target: string, { method = 'GET', peer = '172.17.0.9', body = '' }: AskOptions = {}): Promise<Answer> {
    const { pathname: path, searchParams: query } = new URL(target, 'http://local');
    return router({ method, path, query, peer, body });
  }

  return {
    clock,
    inspections: () => inspections,
    engineIsGone: () => void (isGone = true),
    ask,
    async json(target, options) {
      const answer = await ask(target, options);
      if (!('json' in answer)) throw new Error('the answer is not JSON');
      // As it goes over the wire: absent values are gone.
      return JSON.parse(JSON.stringify(answer.json));
    },
  };
}

/** A task whose containers all run, the first as engine id `000…`, and so on. */
export function aRunningTask(choices: AgentTaskChoices = {}): AgentTask {
  let task = anAgentTask(choices);
  for (const [index, { name }] of task.containers.entries()) {
    const phase: RunningPhase = {
      name: 'RUNNING',
      engineId: engineIdAt(index),
      startedAt: 1_767_225_601_000,
      health: 'UNKNOWN',
      networkBindings: [{ bindIP: '0.0.0.0', containerPort: 80, hostPort: 32_768, protocol: 'tcp' }],
    };
    task = withContainer(task, name, (container) => ({ ...container, phase }));
  }
  return task;
}

export function engineIdAt(index: number): string {
  return String(index).padStart(2, '0').repeat(32);
}

/** What an engine says of the containers of a task, each with an address of its own. */
export function observationsOf(task: AgentTask): Record<string, ContainerObservation> {
  return Object.fromEntries(
    task.containers.map(({ engineName }, index) => [
      engineName,
      anObservation({
        id: engineIdAt(index),
        labels: { a: 'label' },
        createdAt: 1_767_225_600_000,
        imageId: 'sha256:image',
        addresses: [
          {
            network: 'bridge',
            ipv4Address: `172.17.0.${index + 2}`,
            prefixLength: 16,
            gateway: '172.17.0.1',
            macAddress: '02:42:ac:11:00:02',
          },
        ],
        mountedAt: [{ volume: 'data', source: '/var/lib/docker/volumes/data/_data', target: '/data' }],
        lastHealthCheck: { exitCode: 0, output: 'fine' },
      }),
    ]),
  );
}

/**
 * The task metadata endpoint: what a container may ask about itself and its task, in the shapes of ecs-agent's versions 4, 3 and 2. The id in the
 * path says who asks; version 2 has none and goes by the caller's address.
 */
import type { StatsSource } from '../stats/stats-source.ts';
import type { AgentContainer, AgentTask } from '../tasks/agent-task.ts';
import type { NetworkAddress } from '../tasks/container-spec.ts';
import { pauseContainerName } from '../tasks/pause-container.ts';
import { containerMetadata, engineIdOf, type ContainerView, type MetadataVersion } from './container-metadata.ts';
import type { FoundContainer } from './endpoint-ids.ts';
import type { Looks } from './looks.ts';
import { failure, type Answer, type Route, type RoutedRequest } from './routes.ts';
import { taskMetadata, type TaskView } from './task-metadata.ts';

export interface TaskEndpointOptions {
  find(id: string): FoundContainer | undefined;
  tasks(): readonly AgentTask[];
  looks: Looks;
  /** Figures are told as not yet there when nobody collects them. */
  stats?: StatsSource | undefined;
  availabilityZone: string;
}

export function taskEndpointRoutes(options: TaskEndpointOptions): Route[] {
  const { find, tasks, looks, stats, availabilityZone } = options;

  async function viewOf(task: AgentTask): Promise<TaskView> {
    const observations = await Promise.all(
      task.containers.map(async (container) =>
        engineIdOf(container) === undefined || container.removed ? undefined : looks.at(container.engineName),
      ),
    );
    const pause = task.containers.findIndex(({ name }) => name === pauseContainerName);
    const shared = task.definition.networkMode === 'awsvpc' ? (observations[pause]?.addresses ?? []) : [];
    const containers = task.containers.map((container, index): ContainerView => {
      const observation = observations[index];
      const addresses: readonly NetworkAddress[] = observation?.addresses ?? shared;
      return { task, container, observation, addresses };
    });
    return { task, containers, availabilityZone };
  }

  async function containerAnswer({ task, container }: FoundContainer, version: MetadataVersion): Promise<Answer> {
    const { containers } = await viewOf(task);
    const view = containers.find((one) => one.container.name === container.name);
    if (view === undefined) return failure(500, `the container ${container.name} cannot be described`);
    return { status: 200, json: containerMetadata(view, version) };
  }

  async function taskAnswer(task: AgentTask, version: MetadataVersion, withTags = false): Promise<Answer> {
    const json = taskMetadata(await viewOf(task), version);
    return { status: 200, json: withTags ? { ...json, Errors: missingTags(task) } : json };
  }

  /** `null` as long as there are none, as in ECS. */
  function statsOf(task: AgentTask, { name }: AgentContainer): unknown {
    return stats?.latest(task.assignment.taskArn, name) ?? null;
  }

  function taskStats(task: AgentTask): Answer {
    const byId = task.containers.flatMap((container) => {
      const id = engineIdOf(container);
      return id === undefined ? [] : [[id, statsOf(task, container)]];
    });
    return { status: 200, json: Object.fromEntries(byId) };
  }

  function byId(
    version: 'v3' | 'v4',
    rest: string,
    answer: (found: FoundContainer) => Answer | Promise<Answer>,
  ): Route {
    return {
      method: 'GET',
      path: `/${version}/{id}${rest}`,
      answer(request) {
        const found = find(request.part('id'));
        return found === undefined ? unknownId(version) : answer(found);
      },
    };
  }

  function routesById(version: 'v3' | 'v4'): Route[] {
    return [
      byId(version, '', (found) => containerAnswer(found, version)),
      byId(version, '/task', ({ task }) => taskAnswer(task, version)),
      byId(version, '/taskWithTags', ({ task }) => taskAnswer(task, version, true)),
      byId(version, '/stats', ({ task, container }) => ({ status: 200, json: statsOf(task, container) })),
      byId(version, '/task/stats', ({ task }) => taskStats(task)),
      byId(version, '/associations/{type}', noAssociations),
      byId(version, '/associations/{type}/{name}', noAssociations),
    ];
  }

  /** The task with a running container at this address: nobody else can be called back there. */
  async function taskAt(peer: string): Promise<AgentTask | undefined> {
    const candidates = tasks().filter(({ containers }) => containers.some(({ phase }) => phase.name === 'RUNNING'));
    const views = await Promise.all(candidates.map(viewOf));
    return views.find(({ containers }) =>
      containers.some(({ addresses }) => addresses.some(({ ipv4Address }) => ipv4Address === peer)),
    )?.task;
  }

  function byAddress(
    path: string,
    answer: (task: AgentTask, request: RoutedRequest) => Answer | Promise<Answer>,
  ): Route {
    return {
      method: 'GET',
      path,
      async answer(request) {
        const task = await taskAt(request.peer);
        if (task === undefined) return failure(400, `unable to get task arn from request: no task has ${request.peer}`);
        return answer(task, request);
      },
    };
  }

  function containerOf(task: AgentTask, request: RoutedRequest): FoundContainer | undefined {
    const container = task.containers.find((one) => engineIdOf(one) === request.part('container'));
    return container === undefined ? undefined : { task, container };
  }

  const version2: Route[] = [
    byAddress('/v2/metadata', (task) => taskAnswer(task, 'v2')),
    byAddress('/v2/metadataWithTags', (task) => taskAnswer(task, 'v2', true)),
    byAddress('/v2/metadata/{container}', (task, request) => {
      const found = containerOf(task, request);
      return found === undefined ? noSuchContainer(request) : containerAnswer(found, 'v2');
    }),
    byAddress('/v2/stats', taskStats),
    byAddress('/v2/stats/{container}', (task, request) => {
      const found = containerOf(task, request);
      if (found === undefined) return noSuchContainer(request);
      return { status: 200, json: statsOf(task, found.container) };
    }),
  ];

  return [...version2, ...routesById('v3'), ...routesById('v4')];
}

function unknownId(version: 'v3' | 'v4'): Answer {
  return failure(
    404,
    `${version.toUpperCase()} metadata handler: unable to get the container from the request: unknown id`,
  );
}

function noSuchContainer(request: RoutedRequest): Answer {
  return failure(404, `the task has no container ${request.part('container')}`);
}

function noAssociations({ container }: FoundContainer): Answer {
  return failure(404, `the container ${container.name} has no associations`);
}

/** Control does not tell agents about tags; ecs-agent says so in the same way when it could not look them up. */
function missingTags({ assignment }: AgentTask): Record<string, unknown>[] {
  return ['TaskTags', 'ContainerInstanceTags'].map((field) => ({
    ErrorField: field,
    ErrorCode: 'ResourceNotFoundException',
    ErrorMessage: 'this agent has no tags; ask control with ListTagsForResource',
    StatusCode: 404,
    ResourceARN: assignment.taskArn,
  }));
}

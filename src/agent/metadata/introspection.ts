/** The agent about itself and its tasks, for people and monitors on the machine (ecs-agent's port 51678). Internal containers are left out. */
import { reportedStatus, taskSnapshot } from '../tasks/task-state.ts';
import { isStopping, type AgentTask } from '../tasks/agent-task.ts';
import type { ListedImage } from '../runner/prepull.ts';
import { isInternalContainer } from '../tasks/pause-container.ts';
import { engineIdOf, networksOf, portsOf, time, volumesOf } from './container-metadata.ts';
import type { Looks } from './looks.ts';
import type { Answer, Route, RoutedRequest } from './routes.ts';

export interface IntrospectionOptions {
  cluster: string;
  version: string;
  /** Undefined until it is registered. */
  containerInstanceArn(): string | undefined;
  tasks(): readonly AgentTask[];
  listedImages(): readonly ListedImage[];
  looks: Looks;
}

/** Shorter ones are too easily those of several containers. */
const shortestEngineId = 12;

const licence =
  'Berth is free software under the Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0\n';

export function introspectionRoutes(options: IntrospectionOptions): Route[] {
  const { cluster, version, containerInstanceArn, tasks, looks } = options;

  async function describe(task: AgentTask): Promise<Record<string, unknown>> {
    const { assignment } = task;
    const shown = taskSnapshot(task, new Map()).containers.filter(({ name }) => !isInternalContainer(name));
    const Containers = await Promise.all(
      shown.map(async ({ name, networkBindings }) => {
        const container = task.containers.find((one) => one.name === name);
        if (container === undefined) return { Name: name };
        const id = engineIdOf(container);
        const observation = id === undefined || container.removed ? undefined : await looks.at(container.engineName);
        const view = { task, container, observation, addresses: observation?.addresses ?? [] };
        const { phase } = container;
        return {
          DockerId: id ?? '',
          DockerName: container.engineName,
          Name: name,
          Image: task.definition.containerDefinitions.find((one) => one.name === name)?.image,
          ImageID: observation?.imageId ?? '',
          CreatedAt: time(observation?.createdAt),
          StartedAt: time(phase.name === 'RUNNING' || phase.name === 'STOPPED' ? phase.startedAt : undefined),
          Ports: portsOf(networkBindings),
          Networks: networksOf(view, 'v3'),
          Volumes: volumesOf(observation),
          RestartCount: container.restarts.count === 0 ? undefined : container.restarts.count,
        };
      }),
    );
    const status = reportedStatus(task);
    return {
      Arn: assignment.taskArn,
      DesiredStatus: isStopping(task) ? 'STOPPED' : 'RUNNING',
      // Here as in the API of old: what is on its way to its end still runs.
      KnownStatus: status === 'STOPPING' ? 'RUNNING' : status,
      Family: assignment.family,
      Version: String(assignment.revision),
      Containers,
    };
  }

  async function answerTasks({ query }: RoutedRequest): Promise<Answer> {
    const dockerId = query.get('dockerid');
    const taskArn = query.get('taskarn');
    if (dockerId !== null && taskArn !== null)
      return { status: 400, json: 'ask by dockerid or by taskarn, not by both' };
    if (dockerId === null && taskArn === null) {
      return { status: 200, json: { Tasks: await Promise.all(tasks().map(describe)) } };
    }
    const found =
      dockerId === null ? tasks().find(({ assignment }) => assignment.taskArn === taskArn) : taskOfEngineId(dockerId);
    return found === undefined ? { status: 404, json: {} } : { status: 200, json: await describe(found) };
  }

  function taskOfEngineId(wanted: string): AgentTask | undefined {
    if (wanted.length < shortestEngineId) return undefined;
    return tasks().find(({ containers }) => containers.some((container) => engineIdOf(container)?.startsWith(wanted)));
  }

  return [
    {
      method: 'GET',
      path: '/',
      answer: () => ({
        status: 200,
        json: { AvailableCommands: ['/v1/metadata', '/v1/tasks', '/v1/images', '/license'] },
      }),
    },
    {
      method: 'GET',
      path: '/v1/metadata',
      answer: () => {
        const ContainerInstanceArn = containerInstanceArn() ?? null;
        return { status: 200, json: { Cluster: cluster, ContainerInstanceArn, Version: `Berth Agent - v${version}` } };
      },
    },
    { method: 'GET', path: '/v1/tasks', answer: answerTasks },
    {
      method: 'GET',
      path: '/v1/images',
      answer: () => {
        const Images = options
          .listedImages()
          .map(({ image, state, reason }) => ({ Image: image, State: state.toUpperCase(), Reason: reason }));
        return { status: 200, json: { Images } };
      },
    },
    { method: 'GET', path: '/license', answer: () => ({ status: 200, contentType: 'text/plain', text: licence }) },
  ];
}
